import { statSync } from 'node:fs';
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ArxivNativeError } from '../../errors.js';
import {
  checkEncoderPlace,
  commitEncoder,
  type EncoderFolderParts,
  pretrainingOf,
  stageEncoder,
} from '../../model/encoder-folder.js';
import { METRICS, WEIGHTS } from '../../model/saved-model.js';
import { fingerprint, type Identity } from '../identity.js';
import { WorkFolder, type WorkOptions } from '../work-folder.js';
import { CORPUS_FILES } from './corpus.js';
import { VOCABULARY_FILES } from './start.js';
import type { PretrainState } from './state.js';
import { STATES, TEACHER_FILES } from './teacher.js';
import type { PretrainRecord } from './types.js';

const KIND = {
  name: 'pretraining',
  keeps: STATES,
  holds: new RegExp([CORPUS_FILES, VOCABULARY_FILES, TEACHER_FILES].map(({ source }) => source).join('|')),
};

/**
 * Pre-training in progress: `OUT.pretraining`. Beside what every such folder holds there are the vocabulary, the
 * tokenized corpus and what a teacher makes of it. The encoder itself stands at OUT from the first checkpoint on, and is
 * replaced by each.
 */
export class PretrainFolder extends WorkFolder<PretrainState> {
  /** As WorkFolder's `occupy`. @throws ArxivNativeError as RunFolder's `use` does */
  static async use<T>(
    out: string,
    options: WorkOptions,
    work: (run: PretrainFolder, signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    return PretrainFolder.occupy(out, KIND, options, async (place, signal) => {
      const where = ({ steps, total }: PretrainState) => `step ${steps}${total ? ` of ${total}` : ''}`;
      const found = await PretrainFolder.left(place, options, where);
      const { target, path } = place;
      const { resume, force } = options;
      await checkEncoderPlace(target, { force, ...(resume && { replaces: () => true }) });
      return work(new PretrainFolder(target, path, options, found), signal);
    });
  }

  /**
   * With `resume`, the record of this very run where it is complete.
   *
   * @throws BAD_OPTION if the encoder that stands there came from another run, and is not to be replaced
   */
  async finished(identity: Identity): Promise<PretrainRecord | undefined> {
    const { resume, force } = this.options;
    const record = resume ? await pretrainingOf(this.target) : undefined;
    if (record === undefined) return undefined;
    if (record.fingerprint === fingerprint(identity)) {
      if (record.complete !== true || this.found !== undefined) return undefined;
      // What a kill left of the work's last moment.
      await this.done();
      return record as unknown as PretrainRecord;
    }
    if (force) return undefined;
    throw new ArxivNativeError(
      'BAD_OPTION',
      `${this.target} exists already, from a run with other options or another corpus`,
      { remedy: 'Choose another folder with --out, or replace this one with --force.' },
    );
  }

  /**
   * Writes the encoder, in the place of an earlier state of it.
   *
   * @param weights writes them to the file whose name it gets
   */
  async give(
    weights: (file: string) => Promise<void>,
    parts: EncoderFolderParts & { record: PretrainRecord },
  ): Promise<void> {
    const { force } = this.options;
    const replaces = (record: Record<string, unknown>) => record.fingerprint === parts.record.fingerprint;
    const staged = await stageEncoder(this.target, { force, replaces });
    try {
      await weights(join(staged.path, WEIGHTS));
      if (this.metricsBytes > 0) {
        await copyFile(join(this.path, METRICS), join(staged.path, METRICS)).catch(this.failed);
      }
      await commitEncoder(staged, parts);
    } finally {
      await staged.discard();
    }
  }

  /** Whether there is what a teacher made of papers. */
  get keepsStates(): boolean {
    return (statSync(join(this.path, STATES), { throwIfNoEntry: false })?.size ?? 0) > 0;
  }

  protected override isKept(name: string): boolean {
    return KIND.holds.test(name);
  }
}
