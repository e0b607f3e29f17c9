import { ArxivNativeError } from '../../errors.js';

/** arXiv's archives by the form of their categories: `cs.AI`, `physics.optics`, or the archive itself as in `hep-th`. */
const ARCHIVES: Record<string, RegExp> = {};
for (const archive of ['cs', 'econ', 'eess', 'math', 'q-bio', 'q-fin', 'stat', 'nlin']) {
  ARCHIVES[archive] = /^\.[A-Z]{2}$/;
}
for (const archive of ['gr-qc', 'hep-ex', 'hep-lat', 'hep-ph', 'hep-th', 'math-ph', 'nucl-ex', 'nucl-th']) {
  ARCHIVES[archive] = /^$/;
}
ARCHIVES['quant-ph'] = /^$/;
ARCHIVES['astro-ph'] = /^(\.[A-Z]{2})?$/;
ARCHIVES['cond-mat'] = /^(\.[a-z]+(-[a-z]+)?)?$/;
ARCHIVES.physics = /^\.[a-z]+(-[a-z]+)?$/;

/** Archives that are groups of their own; all others belong to physics. */
const GROUPS = ['cs', 'econ', 'eess', 'math', 'q-bio', 'q-fin', 'stat'];

/** @throws BAD_OPTION for what cannot be a category of arXiv's */
export function checkCategory(name: string): void {
  if (isCategory(name)) return;
  const [archive = '', subject = ''] = name.split('.');
  const meant = `${archive.toLowerCase()}.${subject.toUpperCase()}`;
  throw new ArxivNativeError('BAD_OPTION', `${JSON.stringify(name)} is no category of arXiv's`, {
    remedy: isCategory(meant) ? `Did you mean "${meant}"?` : 'Categories look like cs.AI, math.CO or hep-th.',
  });
}

function isCategory(name: string): boolean {
  const archive = archiveOf(name);
  return Object.hasOwn(ARCHIVES, archive) && ARCHIVES[archive]!.test(name.slice(archive.length));
}

function archiveOf(name: string): string {
  return name.split('.')[0]!;
}

/** OAI-PMH's set of a category, as group:archive:CATEGORY: `cs:cs:AI`, `physics:astro-ph:GA`, `physics:hep-th`. */
export function oaiSet(category: string): string {
  const archive = archiveOf(category);
  const group = GROUPS.includes(archive) ? archive : 'physics';
  return [group, ...category.split('.')].join(':');
}
