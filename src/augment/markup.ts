/**
 * Formulas, commands with their arguments, addresses; with the letters, digits and signs that touch them. What looks for
 * its end looks so far and no further: from each of thousands of beginnings it would take minutes.
 */
const ENVIRONMENT = String.raw`(?:equation|align|alignat|flalign|gather|multline|eqnarray|displaymath|math|array|cases|[pbvBV]?matrix)\*?`;
const FORMULA = String.raw`\\begin\{(?<environment>${ENVIRONMENT})\}.{0,2000}?\\end\{\k<environment>\}|\$\$[^$]+\$\$|\$[^$]+\$|\\\(.{0,1000}?\\\)|\\\[.{0,1000}?\\\]`;
const COMMAND = String.raw`\\[a-zA-Z]+\*?(?:\[[^\]]{0,200}\])*(?:\{(?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*\})*|\\[^a-zA-Z\s]`;
const PATH = String.raw`[^\s<>"]*[^\s<>"'.,;:!?)\]}]`;
/** Without a scheme the slash after the host tells an address, as in arxiv.org/abs/2506.00019. */
const HOST = String.raw`(?:[a-zA-Z0-9-]{1,63}\.){1,4}[a-z]{2,24}\/`;
const ADDRESS = String.raw`(?:[hH][tT]{2}[pP][sS]?|[fF][tT][pP]):\/\/${PATH}|[wW]{3}\.${PATH}|[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+|${HOST}${PATH}`;
/** In a number also the points and commas between its digits. */
const TOUCHING = String.raw`(?:[\p{L}\p{N}_^%~]|(?<=\p{N})[.,](?=\p{N}))*`;
/** From where it begins: tried from each of its letters, a word of thousands would take minutes. */
const BEGINNING = String.raw`(?<![\p{L}\p{N}_^%~])(?<!\p{N}[.,](?=\p{N}))`;
const MARKUP = new RegExp(
  `${BEGINNING}${TOUCHING}(?:(?:${FORMULA}|${COMMAND}|${ADDRESS})${TOUCHING})+`,
  'gu',
);

/**
 * What stands for a piece of markup. Of a dozen forms this one came through both directions of a neural translator most
 * often; letters alone are translated, digits and signs are dropped.
 */
const PLACEHOLDER = /XQ(\d+)/g;

/** Tell a word that is a formula without dollars, as 10^{-16}, C_η and A*. A translator's marks are among them. */
const FORMULA_SIGNS = /[\^_{}*]/;
/** Around such a word they belong to the sentence. */
const QUOTES = `"'“”‘’`;
const ENDS = `.,;:!?${QUOTES}`;

/** A text in which placeholders stand for what no translator may touch. */
export interface Protected {
  text: string;
  /** Of the text once it was translated, with the markup in place; undefined if some was lost, doubled or invented. */
  restore(translated: string): string | undefined;
}

/** Replaces LaTeX (`$…$`, `\cite{…}`), words with its signs (`x_i`), web and mail addresses by placeholders. */
export function protectMarkup(original: string): Protected {
  const taken = new Set(Array.from(original.matchAll(PLACEHOLDER), ([, number]) => Number(number)));
  const pieces = new Map<number, string>();
  let next = 1;
  const keep = (piece: string) => {
    while (taken.has(next)) next++;
    pieces.set(next, piece);
    return `XQ${next++}`;
  };
  const giveBack = (text: string) =>
    text.replace(PLACEHOLDER, (whole, digits: string) => {
      const piece = pieces.get(Number(digits));
      pieces.delete(Number(digits));
      return piece ?? whole;
    });
  const text = original.replace(MARKUP, keep).replace(/\S+/g, word => {
    if (!FORMULA_SIGNS.test(word)) return word;
    const [start, end] = coreOf(word);
    return `${word.slice(0, start)}${keep(giveBack(word.slice(start, end)))}${word.slice(end)}`;
  });
  const restore = (translated: string): string | undefined => {
    const seen = new Map<number, number>();
    const restored = translated.replace(PLACEHOLDER, (whole, digits: string) => {
      const number = Number(digits);
      seen.set(number, (seen.get(number) ?? 0) + 1);
      return pieces.get(number) ?? whole;
    });
    const isWhole = [...pieces.keys()].every(number => seen.get(number) === 1);
    const isOwn = [...seen.keys()].every(number => pieces.has(number) || taken.has(number));
    return isWhole && isOwn ? restored : undefined;
  };
  return { text, restore };
}

/** Where a word lies between the quotes, brackets without a partner and full stops around it. */
function coreOf(word: string): [start: number, end: number] {
  let [start, end] = [0, word.length];
  let open = word.replace(/[^([]/g, '').length - word.replace(/[^)\]]/g, '').length;
  for (;;) {
    const [first, last] = [word[start]!, word[end - 1]!];
    if (end - start < 2) return [start, end];
    if (QUOTES.includes(first)) start++;
    else if (ENDS.includes(last)) end--;
    else if (open > 0 && '(['.includes(first)) {
      start++;
      open--;
    } else if (open < 0 && ')]'.includes(last)) {
      end--;
      open++;
    } else return [start, end];
  }
}

/** Whether there are words in a protected text, beside its placeholders. */
export function hasWords(text: string): boolean {
  return /\p{L}/u.test(text.replace(PLACEHOLDER, ''));
}
