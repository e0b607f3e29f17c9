/** How a saved model is used, for its card: Markdown. */
export const USAGE = [
  '## Use',
  `\`\`\`sh\nnpx arxiv-native predict --model . --title "…" --abstract "…"\n\`\`\``,
  `\`\`\`js\nimport { Predictor } from 'arxiv-native';\n\nconst predictor = await Predictor.load('.');\nconsole.log(await predictor.predict({ title: '…', abstract: '…' }));\nawait predictor.dispose();\n\`\`\``,
];
