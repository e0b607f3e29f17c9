import type { Command } from 'commander';
import type { ImportCheckpointOptions, ImportCheckpointResult } from '../model/import-checkpoint.js';
import { printable } from '../util/format.js';
import { Stages } from '../util/progress.js';
import { list } from './arguments.js';
import { interruptible } from './interrupt.js';

type ImportCheckpointFlags = Omit<ImportCheckpointOptions, 'file' | 'classes'> & {
  classes?: string[];
  json?: boolean;
};

const EXAMPLES = `
Examples:
  $ arxiv-native import-checkpoint best_scibert_v3.7_final.pth --labels scibert_label_encoder.pkl --out v3.7
  $ arxiv-native import-checkpoint best_scibert_v5_crossattn_aug.pth --out v5          (cs.AI, cs.CL, cs.CV, cs.LG)
  $ arxiv-native import-checkpoint model.pth --classes physics,math --encoder ./minilm --out two-classes
  $ arxiv-native predict --model v5 --title "…" --abstract "…"

The layout is recognised by the names of the tensors: V5 of its script or its notebook, V2 to V4, the first dual model,
the light model; each bare, or wrapped with an optimiser's state, which is not read. Pickles are read, never executed. Of
the encoder only config.json and the vocabulary are fetched.`;

export function register(program: Command): void {
  program
    .command('import-checkpoint')
    .description("make a model of one of the predecessor's PyTorch checkpoints")
    .argument('<file>', 'what torch.save wrote')
    .requiredOption('--out <folder>', 'where the model will be written')
    .option('--labels <pickle>', 'the pickled LabelEncoder of scikit-learn that names the classes')
    .option('--classes <names>', 'the classes in the order of their numbers: cs.AI,cs.CL', list)
    .option(
      '--encoder <encoder>',
      'what it was trained from: a folder, or a Hugging Face Hub id (default: allenai/scibert_scivocab_uncased)',
    )
    .option('--revision <revision>', 'of an encoder on the Hub: a branch, tag or commit')
    .option('--offline', 'use only what was downloaded before')
    .option('--force', 'replace the model that stands in the folder')
    .option('--json', 'one JSON document on standard output and nothing else there; errors too')
    .addHelpText('after', EXAMPLES)
    .action((file: string, flags: ImportCheckpointFlags) =>
      interruptible(signal => run(file, flags, signal)),
    );
}

async function run(
  file: string,
  { json = false, ...flags }: ImportCheckpointFlags,
  signal: AbortSignal,
): Promise<void> {
  const { importCheckpoint } = await import('../model/import-checkpoint.js');
  const stages = new Stages();
  const result = await importCheckpoint(
    { file, ...flags },
    { signal, onProgress: ({ file: name, received, total }) => stages.show(name, 'bytes', received, total) },
  ).finally(() => stages.stop());
  process.stdout.write(json ? `${JSON.stringify(result)}\n` : summary(result));
}

/** What stands on standard output when a model is ready. */
function summary({ folder, title, record: { imported, labels, encoder } }: ImportCheckpointResult): string {
  const stated = Object.entries(imported.stated).map(([name, value]) => `${name} ${value}`);
  return `${[
    `Layout: ${title}, on ${encoder.layers} layers of ${encoder.hiddenSize}`,
    `Classes: ${labels.map(printable).join(', ')} (${printable(imported.labelsFrom)})`,
    ...(stated.length > 0 ? [`Stated by the file, not measured here: ${stated.join(', ')}`] : []),
    `Saved: ${folder}`,
  ].join('\n')}\n`;
}
