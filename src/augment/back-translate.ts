import { join } from 'node:path';
import { cleanText } from '../data/paper.js';
import { ArxivNativeError } from '../errors.js';
import { cacheFolder } from '../util/cache-folder.js';
import { isCancelled, throwIfCancelled } from '../util/cancel.js';
import { countWords, type DirectionProgress, translatePapers } from './direction.js';
import { protectMarkup } from './markup.js';
import type { TranslationSettings } from './options.js';
import { defectOf, defectOfSentences, defectOfUnknown } from './quality.js';
import { splitSentences } from './sentences.js';
import type { FetchHooks, TranslatorKind, TranslatorOptions } from './translator.js';
import { TRANSLATORS, type TranslatorName } from './translators.js';

/** What is about to be done, told before anything large is fetched. */
export interface AugmentPlan {
  category: string;
  papers: number;
  /** Of their abstracts. */
  words: number;
  translator: TranslatorName;
  /** One for each direction. */
  models: string[];
  /** Bytes that are yet to be fetched. */
  download: number;
  /** Estimated, for translating there and back; what is in the cache takes no time. */
  seconds: number;
}

export type TranslationEvent =
  | { type: 'download'; file: string; received: number; total: number }
  | { type: 'augment'; plan: AugmentPlan }
  | ({ type: 'translating'; from: string; to: string } & DirectionProgress);

export interface TranslationHooks {
  onProgress?: ((event: TranslationEvent) => void) | undefined;
  signal?: AbortSignal | undefined;
}

/** Abstracts that came back through one language. */
export interface BackTranslation {
  pivot: string;
  /** What made them, there and back. */
  translator: string;
  /** Of each original: its copy, or what was wrong with it. */
  copies: ({ abstract: string } | { defect: string })[];
}

const SOURCE = 'en';

/**
 * Translates abstracts into each pivot language and back. A copy whose markup did not come through, or that
 * {@link defectOf} or {@link defectOfSentences} finds fault with, is none.
 *
 * @param category for the plan
 * @throws ArxivNativeError BAD_OPTION, TRANSLATOR, BAD_MODEL, NETWORK, IO, CANCELLED
 */
export async function backTranslate(
  abstracts: readonly string[],
  category: string,
  settings: TranslationSettings,
  hooks: TranslationHooks,
): Promise<BackTranslation[]> {
  const kind = await TRANSLATORS[settings.translator]();
  const fetching: FetchHooks = {
    signal: hooks.signal,
    onProgress: progress => hooks.onProgress?.({ type: 'download', ...progress }),
  };
  const plan = await planOf(kind, abstracts, category, settings, fetching);
  hooks.onProgress?.({ type: 'augment', plan });
  const translate = async (from: string, to: string, papers: readonly (readonly string[])[]) => {
    throwIfCancelled(hooks.signal, 'translating');
    const translator = await kind.open(optionsOf(settings, from, to), fetching);
    try {
      const cache = join(cacheFolder(process.env, process.platform), 'translations');
      const translated = await translatePapers(translator, papers, cache, {
        signal: hooks.signal,
        onProgress: progress => hooks.onProgress?.({ type: 'translating', from, to, ...progress }),
      });
      return { identity: translator.identity, mark: translator.unknownMark, translated };
    } catch (error) {
      if (!isCancelled(error)) throw error;
      const { message } = error as ArxivNativeError;
      throw new ArxivNativeError('CANCELLED', message, {
        remedy: 'What was translated is kept: the same command goes on.',
        cause: error,
      });
    } finally {
      await translator.close();
    }
  };

  const originals = abstracts.map(abstract => ({ abstract, markup: protectMarkup(abstract) }));
  const parts = (text: string) => (settings.whole ? [text] : splitSentences(text));
  const results: BackTranslation[] = [];
  for (const pivot of settings.pivots) {
    const sent = originals.map(({ markup }) => parts(markup.text));
    const there = await translate(SOURCE, pivot, sent);
    // What got lost on the way there has no way back.
    const texts = there.translated.map(each => ('texts' in each ? unmarked(each.texts, there.mark) : []));
    const back = await translate(pivot, SOURCE, texts);
    const copies = originals.map(({ abstract, markup }, i) => {
      const [first, second] = [there.translated[i]!, back.translated[i]!];
      if ('failure' in first) return { defect: first.failure };
      if ('failure' in second) return { defect: second.failure };
      const sentences = unmarked(second.texts, back.mark);
      const copy = markup.restore(cleanText(sentences.join(' ')));
      const defect =
        copy === undefined
          ? 'a formula, command or address was lost'
          : (defectOf(abstract, copy) ??
            defectOfSentences(sent[i]!, sentences) ??
            defectOfUnknown(markup.text, second.texts.join(' '), back.mark));
      return defect === undefined ? { abstract: copy! } : { defect };
    });
    results.push({ pivot, translator: `${there.identity}; ${back.identity}`, copies });
  }
  return results;
}

function unmarked(texts: readonly string[], mark: string | undefined): readonly string[] {
  return mark === undefined ? texts : texts.map(text => text.replaceAll(mark, ''));
}

async function planOf(
  kind: TranslatorKind,
  abstracts: readonly string[],
  category: string,
  settings: TranslationSettings,
  hooks: FetchHooks,
): Promise<AugmentPlan> {
  const words = abstracts.reduce((sum, abstract) => sum + countWords(abstract), 0);
  const plan: AugmentPlan = {
    category,
    papers: abstracts.length,
    words,
    translator: settings.translator,
    models: [],
    download: 0,
    seconds: 0,
  };
  for (const pivot of settings.pivots) {
    for (const [from, to] of [
      [SOURCE, pivot],
      [pivot, SOURCE],
    ] as const) {
      const survey = await kind.survey(optionsOf(settings, from, to), hooks);
      plan.models.push(survey.model);
      plan.download += survey.download;
      plan.seconds += words / (survey.wordsPerSecond * settings.threads);
    }
  }
  return plan;
}

function optionsOf(settings: TranslationSettings, from: string, to: string): TranslatorOptions {
  const { modelDir, threads, offline, whole, beams, temperature, seed } = settings;
  return { from, to, modelDir, threads, offline, whole, beams, temperature, seed };
}
