import { describe, expect, it } from 'vitest';
import type { Paper } from '../../src/data/paper.js';
import { isWithdrawn } from '../../src/data/withdrawn.js';

const paper = (texts: Partial<Paper>): Paper => ({
  id: '1',
  title: 'A study',
  abstract: 'We study x.',
  categories: [],
  label: '',
  line: 1,
  ...texts,
});
const LONG = Array(10)
  .fill('We prove a bound on the colours that a graph needs, and that it is tight.')
  .join(' ');

describe('a withdrawn paper', () => {
  // In arXiv's and its authors' own words.
  it.each([
    'This paper has been withdrawn by the author due to a crucial sign error in equation 1.',
    `This paper has been withdrawn by the authors. ${LONG}`,
    `${LONG} This paper had been withdrawn due to some missing cases in Algorithms 2 and 3.`,
    'This submission has been withdrawn by arXiv administrators because it contains fictitious content.',
    'arXiv admin note: This submission has been withdrawn by arXiv administrators due to a dispute.',
    'This version of the paper has been withdrawn due to an error. Please contact one of the authors.',
    `The paper has been withdrawn effective November 18, 2015. ${LONG}`,
    `${LONG} UPDATE: Manuscript withdrawn, because results are incorrect. If phi holds, so does psi.`,
    'Paper is withdrawn. On review the paper contributes little of significance.',
    'Withdrawn since -order- was overlooked. First order reductions without order are much too weak.',
    'Because of rather fundamental changes to the underlying model, it has been withdrawn from the archive.',
    'There is something wrong with the code, this article is temporarily withdrawn and will be resubmitted.',
    'Although the results are correct, they were known. Accordingly, this version of the paper is withdrawn.',
    'This paper has been withdrawn from arXiv.org due to a disagreement among the authors.',
    'This paper as been withdrawn',
    'withdrawn',
  ])('says so in its abstract: %s', abstract => {
    expect(isWithdrawn(paper({ abstract }))).toBe(true);
  });

  it.each([
    'Road Coloring (withdrawn)',
    '[Withdrawn] Road Coloring',
    'WITHDRAWN: Road Coloring',
    'Paper withdrawn',
  ])('says so in its title: %s', title => expect(isWithdrawn(paper({ title }))).toBe(true));

  it.each([
    'Withdrawn due to an error in Theorem 2',
    'This paper has been withdrawn',
    '12 pages. Paper withdrawn.',
  ])('says so in its comment: %s', comment =>
    expect(isWithdrawn(paper({ comment, abstract: LONG }))).toBe(true),
  );
});

describe('a paper that stands', () => {
  it.each([
    'We ask why papers are withdrawn, and find that most are withdrawn by their authors.',
    `We collect notices such as "This paper has been withdrawn by the author" from 14,000 abstracts. ${LONG}`,
    'In 1998 a study was published that linked two things. The paper was withdrawn in 2010, yet is still cited.',
    `${LONG} The paper has been withdrawn by its journal, and we trace who cites it still.`,
    'Today about 4.9M USD cannot be withdrawn by their owners from the network.',
    'An earlier claim is withdrawn: controls showed it to depend on coordinates.',
    'Four papers were accepted of which one was subsequently withdrawn by its authors.',
    'This paper investigates how citations to retracted research are handled.',
    'Withdrawn drugs leave traces in knowledge graphs; we predict them.',
    'Withdrawal of consent is modelled as an event.',
  ])('is about something else: %s', abstract => {
    expect(isWithdrawn(paper({ abstract }))).toBe(false);
  });

  it.each(['Withdrawn: why authors pull papers', 'Retracted articles on social media'])(
    'has such a title: %s',
    title => expect(isWithdrawn(paper({ title }))).toBe(false),
  );

  it('was withdrawn from a conference', () => {
    expect(isWithdrawn(paper({ comment: 'This paper was withdrawn from ICLR 2024' }))).toBe(false);
  });
});
