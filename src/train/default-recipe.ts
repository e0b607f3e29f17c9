/** What trains where no recipe is named. Apart from recipe.ts, which the command line would else load just to say it. */
export const DEFAULT_RECIPE = 'arxiv';
