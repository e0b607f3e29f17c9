import { TranslationCache } from './cache.js';
import { hasWords } from './markup.js';
import type { Translation, Translator } from './translator.js';

export interface DirectionHooks {
  signal?: AbortSignal | undefined;
  /** How much is done, what the cache knew included. */
  onProgress?: ((progress: DirectionProgress) => void) | undefined;
}

export interface DirectionProgress {
  papers: number;
  ofPapers: number;
  words: number;
  ofWords: number;
}

export type PaperTranslation = { texts: string[] } | { failure: string };

/**
 * Translates the texts of many papers, each text once, past what the cache knows. A paper of which one text has no
 * translation has none.
 *
 * @param papers the texts of each
 * @param folder of the cache
 * @throws TRANSLATOR, IO, CANCELLED; what was translated by then is in the cache
 */
export async function translatePapers(
  translator: Translator,
  papers: readonly (readonly string[])[],
  folder: string,
  { signal, onProgress }: DirectionHooks,
): Promise<PaperTranslation[]> {
  const found = new Map<string, Translation>();
  const tally = new Tally(papers, onProgress);
  const cache = await TranslationCache.open(folder, translator.identity);
  let report: NodeJS.Immediate | undefined;
  const settle = (text: string, translation: Translation) => {
    found.set(text, translation);
    tally.add(text);
  };
  try {
    const pending: string[] = [];
    for (const text of new Set(papers.flat())) {
      const known = hasWords(text) ? cache.get(text) : text;
      if (known === undefined) pending.push(text);
      else settle(text, { text: known });
    }
    const deliver = (index: number, translation: Translation) => {
      const text = pending[index]!;
      if ('text' in translation) cache.add(text, translation.text);
      settle(text, translation);
      // A batch comes all at once: told of its first text alone, nobody could guess how long the rest takes.
      report ??= setImmediate(() => {
        report = undefined;
        tally.report();
      });
    };
    tally.report();
    if (pending.length > 0) await translator.translate(pending, deliver, signal);
    if (report !== undefined) tally.report();
  } finally {
    clearImmediate(report);
    await cache.close();
  }
  return papers.map(texts => together(texts, found));
}

function together(texts: readonly string[], found: ReadonlyMap<string, Translation>): PaperTranslation {
  const translated: string[] = [];
  for (const text of texts) {
    const translation = found.get(text) ?? { failure: 'a text that the translator passed over' };
    if ('failure' in translation) return translation;
    if (translation.text.trim() === '') return { failure: 'a text without a translation' };
    translated.push(translation.text);
  }
  return { texts: translated };
}

/** Counts words as texts are done, and papers once all of their texts are. */
class Tally {
  private readonly owners = new Map<string, number[]>();
  private readonly left: number[];
  private readonly progress: DirectionProgress;

  constructor(
    papers: readonly (readonly string[])[],
    private readonly onProgress: DirectionHooks['onProgress'],
  ) {
    let ofWords = 0;
    this.left = papers.map((texts, paper) => {
      const own = new Set(texts);
      for (const text of own) {
        const owners = this.owners.get(text);
        if (owners) owners.push(paper);
        else {
          this.owners.set(text, [paper]);
          ofWords += countWords(text);
        }
      }
      return own.size;
    });
    this.progress = {
      papers: 0,
      ofPapers: papers.filter(texts => texts.length > 0).length,
      words: 0,
      ofWords,
    };
  }

  add(text: string): void {
    this.progress.words += countWords(text);
    for (const paper of this.owners.get(text)!) if (--this.left[paper]! === 0) this.progress.papers++;
  }

  report(): void {
    this.onProgress?.({ ...this.progress });
  }
}

export function countWords(text: string): number {
  return text.split(' ').length;
}
