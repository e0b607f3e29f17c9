import type { PretrainResult as StepResult } from '../../native.js';
import type { SessionRecord } from '../types.js';
import type { Batch } from './batches.js';
import type { Figures } from './types.js';

/** Sums over masked words and papers, of which the means are reported. */
export interface Sums {
  words: number;
  wordLoss: number;
  wordsCorrect: number;
  /** With a category. */
  papers: number;
  categoryLoss: number;
  categoriesCorrect: number;
  /** That a teacher has read. */
  taught: number;
  teacherLoss: number;
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
    taught: 0,
    teacherLoss: 0,
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

/** Adds what the engine said of a batch. */
export function add(sums: Sums, result: StepResult, { positions, labelled, teacher, papers }: Batch): void {
  const words = positions.length;
  sums.words += words;
  sums.wordLoss += result.wordLoss * words;
  sums.wordsCorrect += result.wordsCorrect;
  sums.papers += labelled;
  sums.categoryLoss += result.classLoss * labelled;
  sums.categoriesCorrect += result.correct;
  if (teacher === undefined) return;
  sums.taught += papers;
  sums.teacherLoss += result.teacherLoss * papers;
}

export function figuresOf(sums: Sums): Figures {
  return {
    wordLoss: sums.wordLoss / sums.words,
    wordAccuracy: sums.wordsCorrect / sums.words,
    ...(sums.papers > 0 && {
      categoryLoss: sums.categoryLoss / sums.papers,
      categoryAccuracy: sums.categoriesCorrect / sums.papers,
    }),
    ...(sums.taught > 0 && { teacherLoss: sums.teacherLoss / sums.taught }),
  };
}

export function totalSeconds({ sessions }: PretrainState): number {
  return sessions.reduce((sum, { seconds }) => sum + seconds, 0);
}
