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
const ADDRESS = String.raw`(?:https?|ftp):\/\/${PATH}|www\.${PATH}|[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+|${HOST}${PATH}`;
const TOUCHING = String.raw`[\p{L}\p{N}_^%~]*`;
/** From where it begins: tried from each of its letters, a word of thousands would take minutes. */
const BEGINNING = String.raw`(?<![\p{L}\p{N}_^%~])`;
const MARKUP = new RegExp(
  `${BEGINNING}${TOUCHING}(?:(?:${FORMULA}|${COMMAND}|${ADDRESS})${TOUCHING})+`,
  'gu',
);

/**
 * What stands for a piece of markup. Of a dozen forms this one came through both directions of a neural translator most
 * often; letters alone are translated, digits and signs are dropped.
 */
const PLACEHOLDER = /XQ(\d+)/g;

/** A text in which placeholders stand for what no translator may touch. */
export interface Protected {
  text: string;
  /** Of the text once it was translated, with the markup in place; undefined if some was lost, doubled or invented. */
  restore(translated: string): string | undefined;
}

/** Replaces LaTeX (`$…$`, `\cite{…}`), web and mail addresses by placeholders. */
export function protectMarkup(original: string): Protected {
  const taken = new Set(Array.from(original.matchAll(PLACEHOLDER), ([, number]) => Number(number)));
  const pieces = new Map<number, string>();
  let next = 1;
  const text = original.replace(MARKUP, piece => {
    while (taken.has(next)) next++;
    pieces.set(next, piece);
    return `XQ${next++}`;
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

/** Whether there are words in a protected text, beside its placeholders. */
export function hasWords(text: string): boolean {
  return /\p{L}/u.test(text.replace(PLACEHOLDER, ''));
}
