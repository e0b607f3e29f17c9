import { stat } from 'node:fs/promises';
import { throwIfCancelled } from '../util/cancel.js';
import type { Paper } from './paper.js';
import { readPapers } from './read.js';
import type { ReadHooks } from './rows.js';

/**
 * All papers of some files, one by one and in bounded memory; what label they have is nobody's concern.
 * @throws BAD_INPUT, IO as readPapers does; CANCELLED
 */
export async function* unlabelledPapers(
  sources: readonly string[],
  { signal, onProgress }: ReadHooks,
): AsyncGenerator<Paper> {
  for (const source of sources) {
    const { size } = await stat(source).catch(() => ({ size: 0 }));
    let received = 0;
    const onBytes = (bytes: number) => {
      received += bytes;
      onProgress?.({ source, received, total: size });
    };
    for await (const paper of readPapers(source, { labelled: false, onBytes })) {
      throwIfCancelled(signal, `reading ${source}`);
      yield paper;
    }
  }
}
