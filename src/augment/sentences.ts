const segmenter = new Intl.Segmenter('en', { granularity: 'sentence' });

/**
 * Words whose full stop ends no sentence, in lower case. Of those that may end one too, as `etc.`, the segmenter
 * judges by what follows.
 */
const ABBREVIATION =
  /(?:^|[\s([{"'‘“–—-])(?:e\.g|i\.e|et al|cf|vs|resp|approx|incl|viz|w\.r\.t|a\.k\.a|i\.i\.d|s\.t|fig|figs|eq|eqs|eqn|sec|secs|sect|tab|thm|prop|def|lem|cor|ref|refs|app|ch|vol|no|nos|pp|ed|eds|st|dr|prof|mr|mrs|ms|jr|sr|inc|ltd)\.$/iu;
/** A sentence does not begin so. */
const CONTINUES = /^(?:[\p{Ll}\p{Nd}%)\]},;:.!?]|[-–—&+=<>≤≥])/u;

/** What an open bracket is joined with in the hope of its end; a smile, or a bracket forgotten, has none. */
const MOST_IN_BRACKETS = 2;

/**
 * The sentences of a text, which joined by single spaces give it back. Unicode's rule breaks after every full stop
 * before a capital letter; scientific abbreviations (`et al.`, `Fig. 3`) do not break here. White space in
 * the text must be single spaces.
 */
export function splitSentences(text: string): string[] {
  const sentences: string[] = [];
  let inBrackets = 0;
  for (const { segment } of segmenter.segment(text)) {
    const next = segment.trim();
    const last = sentences.at(-1);
    if (next === '') continue;
    const continues = last !== undefined && (ABBREVIATION.test(last) || CONTINUES.test(next));
    if (continues || (last !== undefined && inBrackets < MOST_IN_BRACKETS && isOpen(last))) {
      sentences[sentences.length - 1] = `${last} ${next}`;
      if (!continues) inBrackets++;
    } else {
      sentences.push(next);
      inBrackets = 0;
    }
  }
  return sentences;
}

/** Whether a bracket was opened in it and is yet to be closed. */
function isOpen(text: string): boolean {
  const count = (characters: RegExp) => text.match(characters)?.length ?? 0;
  return count(/[([{]/g) > count(/[)\]}]/g);
}
