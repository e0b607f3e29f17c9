import type { TranslatorKind } from './translator.js';

/** The kinds of translators by name, each loaded when it is asked for. */
export const TRANSLATORS = {
  bergamot: async (): Promise<TranslatorKind> => (await import('./bergamot/bergamot.js')).bergamot,
  'opus-mt': async (): Promise<TranslatorKind> => (await import('./marian/opus-mt.js')).opusMt,
  apertium: async (): Promise<TranslatorKind> => (await import('./apertium.js')).apertium,
};

export type TranslatorName = keyof typeof TRANSLATORS;
