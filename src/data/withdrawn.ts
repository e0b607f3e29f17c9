import type { Paper } from './paper.js';

/** What arXiv and its authors call a paper in its own notices. */
const NAME =
  '(?:paper|article|manuscript|submission|preprint|work|report|note|version)(?: of (?:the|this) paper)?';
/** "has been", "is temporarily", and the "as been" of hasty hands. */
const HAS_BEEN = '(?:h?as|had|have|is|was)(?: been)?(?: \\w+ly| now)?';
/** Withdrawn from a conference, a paper is still what it was. */
const WITHDRAWN = 'withdrawn\\b(?! from (?!(?:the )?ar))';
/** Where a sentence begins: at the start, or behind the end of another or an opening bracket. */
const BEGINNING = '(?:^|[.!?:;>)\\]] ?|[<(\\[])';

/**
 * The notices, as sentences of their own. "This" points at the paper itself; "the" may point at another one that an
 * abstract tells of, so it counts only as the very first words, and never in the past tense.
 */
const NOTICES = [
  new RegExp(`${BEGINNING}(?:this|our) (?:\\w+ )?${NAME} ${HAS_BEEN} (?:${WITHDRAWN}|retracted\\b)`, 'i'),
  new RegExp(
    `^(?:the|present) (?:present |above )?${NAME} (?:h?as been|is)(?: \\w+ly| now)? ${WITHDRAWN}`,
    'i',
  ),
  // Without an article, as nobody writes of another paper: "Manuscript withdrawn, because results are incorrect".
  new RegExp(
    `${BEGINNING}(?:paper|article|manuscript|submission|preprint) (?:(?:has been|is|was) )?${WITHDRAWN}`,
    'i',
  ),
];

/** A note instead of an abstract: so short that it is about nothing else. */
const NOTE_LENGTH = 250;
const NOTE = [
  /^withdrawn(?: by| due| because| since| for|[.,:;!]|$)/i,
  new RegExp(
    `\\b(?:it|this|${NAME}) (?:[^.]{0,40} )?(?:(?:has|had) been|is)(?: \\w+ly| now)? ${WITHDRAWN}`,
    'i',
  ),
];

/** `(withdrawn)`, `[Retracted]`, `WITHDRAWN: …`; "Withdrawn: why authors pull papers" is a title like any other. */
const TITLE = /^(?:paper )?withdrawn$|[([](?:paper )?(?:withdrawn|retracted)[)\]]|^(?:WITHDRAWN|RETRACTED)\b/;

/**
 * Whether a paper says of itself, in title, abstract or comment, that it was withdrawn. A notice that cannot be told
 * from a sentence about other papers counts as none: one withdrawn paper more does less harm than a paper lost.
 */
export function isWithdrawn({ title, abstract, comment = '' }: Paper): boolean {
  // Most papers have nothing of the kind: that is told fastest.
  if (!/withdrawn|retracted/i.test(`${title}\n${abstract}\n${comment}`)) return false;
  if (TITLE.test(title) || TITLE.test(title.toLowerCase()) || says(NOTICES, title)) return true;
  return [abstract, comment].some(
    text => says(NOTICES, text) || (text.length <= NOTE_LENGTH && says(NOTE, text)),
  );
}

function says(patterns: readonly RegExp[], text: string): boolean {
  return patterns.some(pattern => pattern.test(text));
}
