import type { PretrainResult as StepResult } from '../../native.js';
import type { SessionRecord } from '../types.js';
import type { Figures } from './types.js';

/** Sums over masked words and papers, of which the means are reported. */
export interface Sums {
  words: number;
  wordLoss: number;
  wordsCorrect: number;
  papers: number;
  categoryLoss: number;
  categoriesCorrect: number;
  tokens: number;
  seconds: number;
}

/** Where pre-training stands between two steps. The order of papers, masks and dropout derive from seed and step. */
export interface PretrainState {
  /** Taken so far. */
  steps: number;
  /** How many there will be; undefined until that is reckoned. */
  total: number | undefined;
  /** Papers read so far: the next step goes on after them. */
  papers: number;
  tokens: number;
  /** Since the last line that metrics.jsonl got for a step. */
  sinceLine: Sums;
  evaluation: (Figures & { step: number }) | undefined;
  /** The last is the running one. */
  sessions: SessionRecord[];
}

export function newSums(): Sums {
  return {
    words: 0,
    wordLoss: 0,
    wordsCorrect: 0,
    papers: 0,
    categoryLoss: 0,
    categoriesCorrect: 0,
    tokens: 0,
    seconds: 0,
  };
}

export function newState(total: number | undefined): PretrainState {
  return {
    steps: 0,
    total,
    papers: 0,
    tokens: 0,
    sinceLine: newSums(),
    evaluation: undefined,
    sessions: [],
  };
}

/** @param words masked ones, @param papers those with a category */
export function add(sums: Sums, result: StepResult, words: number, papers: number): void {
  sums.words += words;
  sums.wordLoss += result.wordLoss * words;
  sums.wordsCorrect += result.wordsCorrect;
  sums.papers += papers;
  sums.categoryLoss += result.classLoss * papers;
  sums.categoriesCorrect += result.correct;
}

export function figuresOf(sums: Sums): Figures {
  return {
    wordLoss: sums.wordLoss / sums.words,
    wordAccuracy: sums.wordsCorrect / sums.words,
    ...(sums.papers > 0 && {
      categoryLoss: sums.categoryLoss / sums.papers,
      categoryAccuracy: sums.categoriesCorrect / sums.papers,
    }),
  };
}

export function totalSeconds({ sessions }: PretrainState): number {
  return sessions.reduce((sum, { seconds }) => sum + seconds, 0);
}
