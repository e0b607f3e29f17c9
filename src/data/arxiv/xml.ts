import { XMLParser } from 'fast-xml-parser';
import { printable } from '../../util/format.js';
import { IncompleteAnswer } from '../../util/http.js';
import { cleanText } from '../paper.js';

/** Characters of another answer that are shown. */
const OPENING = 100;

/** Its children by name without prefix, its attributes by `@name`, its text as `#text`. */
export type Element = Record<string, unknown>;

const parser = new XMLParser({
  ignoreAttributes: false,
  attributeNamePrefix: '@',
  alwaysCreateTextNode: true,
  removeNSPrefix: true,
  parseTagValue: false,
  // Also what turns numeric references (&#233;) into their characters.
  htmlEntities: true,
});

/**
 * The root element of a document that must be whole.
 * @throws IncompleteAnswer for what is cut, malformed, or has another root, as a page of HTML
 */
export function parseXml(text: string, root: string): Element {
  // Neither protocol has one, and it is where entities are made that expand beyond measure.
  if (text.includes('<!DOCTYPE'))
    throw new IncompleteAnswer('the answer is no XML of arXiv: it has a DOCTYPE');
  // An overloaded server says so in words of its own.
  if (!new RegExp(`<([\\w-]+:)?${root}\\b`).test(text)) {
    throw new IncompleteAnswer(`the answer has no <${root}>: ${opening(text)}`);
  }
  let document: Element;
  try {
    document = parser.parse(text, true) as Element;
  } catch (error) {
    const reason = printable((error as Error).message);
    throw new IncompleteAnswer(`the answer is no whole XML: ${reason}`, { cause: error });
  }
  const found = children(document, root)[0];
  if (found === undefined) throw new IncompleteAnswer(`the answer has no <${root}>`);
  return found;
}

function opening(text: string): string {
  const cleaned = cleanText(text);
  if (cleaned === '') return 'it is empty';
  return printable(cleaned.length > OPENING ? `${cleaned.slice(0, OPENING)} …` : cleaned);
}

export function children(parent: Element | undefined, name: string): Element[] {
  const found = parent?.[name];
  if (found === undefined) return [];
  return (Array.isArray(found) ? found : [found]) as Element[];
}

export function child(parent: Element | undefined, name: string): Element | undefined {
  return children(parent, name)[0];
}

/** Of the first child of that name; empty where there is none. */
export function textOf(parent: Element | undefined, name: string): string {
  return String(child(parent, name)?.['#text'] ?? '');
}

/** Empty where there is none. */
export function attribute(element: Element | undefined, name: string): string {
  return String(element?.[`@${name}`] ?? '');
}
