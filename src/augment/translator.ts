/** What became of one text: its translation, or why there is none. */
export type Translation = { text: string } | { failure: string };

/** Translates texts from one language to another, in processes of its own. */
export interface Translator {
  /**
   * Model (by content or revision, not by path), version and settings: whatever else the words depend on. Part of the
   * cache's key, and what a copy says of its origin.
   */
  readonly identity: string;

  /** The sign that comes before each word that it did not know; no text that it gets has that sign in it. */
  readonly unknownMark?: string;

  /**
   * Translates each text once, in any order, and hands each over as soon as it is there: what was handed over survives
   * a kill. A text that could not be translated whole gives a failure with its reason, never its own words or a part of
   * it. Texts are one sentence each, or whole abstracts where {@link TranslatorOptions.whole} says so; batches of texts
   * of like length are the translator's business.
   *
   * @throws ArxivNativeError CANCELLED soon after the signal; TRANSLATOR where its process broke down; BAD_MODEL where
   * it finds only now that the model does not load
   */
  translate(texts: readonly string[], deliver: Deliver, signal?: AbortSignal): Promise<void>;

  /** Ends its processes. */
  close(): Promise<void>;
}

export type Deliver = (index: number, translation: Translation) => void;

/** One direction and how it is to be translated. */
export interface TranslatorOptions {
  /** ISO 639-1, as in `en`. */
  from: string;
  to: string;
  /** The user's folder of models: a folder FROM-TO in it holds that direction's. Without it, what was fetched before. */
  modelDir?: string | undefined;
  /** Cores to use. */
  threads: number;
  /** Nothing is fetched. */
  offline: boolean;
  /** Texts are whole abstracts, which go through in one pass; a longer one than the model can take is a failure. */
  whole: boolean;
  /** Hypotheses of beam search; 1 is greedy. The translator's own if absent. */
  beams?: number | undefined;
  /** Sampling at this temperature in place of a search. */
  temperature?: number | undefined;
  /** Of sampling: the same seed and text give the same translation, whatever else is translated beside it. */
  seed: number;
}

/** What it would take, known before anything large is fetched. */
export interface Survey {
  /** The model as a person names it. */
  model: string;
  /** Bytes that are yet to be fetched; 0 where everything is there. */
  download: number;
  /** Roughly, on one core. */
  wordsPerSecond: number;
}

export interface FetchHooks {
  signal?: AbortSignal | undefined;
  onProgress?: ((progress: { file: string; received: number; total: number }) => void) | undefined;
}

/** A kind of translator: one row of {@link TRANSLATORS}. */
export interface TranslatorKind {
  /**
   * Refuses options that it does not know, and says what opening takes.
   *
   * @throws ArxivNativeError BAD_OPTION for a direction, a folder or a setting that it cannot serve; TRANSLATOR, with
   *   the command to run, for a program or package that is not installed; NETWORK
   */
  survey(options: TranslatorOptions, hooks: FetchHooks): Promise<Survey>;

  /**
   * Fetches what is missing and checks it; no process runs before the first texts come. Throws as `survey` does, and
   * BAD_MODEL, IO, CANCELLED.
   */
  open(options: TranslatorOptions, hooks: FetchHooks): Promise<Translator>;
}
