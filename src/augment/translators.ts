import type { TranslatorKind } from './translator.js';

/** The kinds of translators by name; each is loaded when it is asked for. */
export const TRANSLATORS = {
  bergamot: async (): Promise<TranslatorKind> => (await import('./bergamot/bergamot.js')).bergamot,
};

export type TranslatorName = keyof typeof TRANSLATORS;
