/** `kaggle` is JSON lines as in Kaggle's snapshot of arXiv; without a format its records are known by their fields. */
export const FORMATS = ['jsonl', 'csv', 'kaggle'] as const;
export type Format = (typeof FORMATS)[number];

/** A Readable, in words that programs without Node's types understand. */
export interface ByteStream extends AsyncIterable<unknown> {
  destroy(): unknown;
}
