import { type Command, Option } from 'commander';
import type { TrainOptions } from '../train/types.js';
import { number, placementOptions, saveAsOption, TRAINING_PRECISIONS, wholeNumber } from './arguments.js';

/** What {@link trainingOptions} come to. */
export type TrainingFlags = Omit<TrainOptions, 'learningRate' | 'distillation'> & {
  lr?: number;
  json?: boolean;
};

/** Adds the options of every command that trains a classifier: what stands in for the recipe, and how to run. */
export function trainingOptions(command: Command): Command {
  command
    .option('--label-column <name>', 'the field that holds the label, if it is not the category')
    .option('--revision <revision>', 'of an encoder on the Hub: a branch, tag or commit')
    .option('--epochs <n>', 'at most so many', wholeNumber)
    .option('--patience <epochs>', 'stop after so many without a better validation accuracy', wholeNumber)
    .option(
      '--batch-size <papers>',
      "papers a step; auto: the recipe's, on a CPU in as many parts as its memory asks for",
      text => (text === 'auto' ? text : wholeNumber(text)),
    )
    .option('--micro-batch <papers>', 'papers at once in a step: fewer take less memory', wholeNumber)
    .option('--lr <rate>', 'highest learning rate of the encoder', number)
    .option('--max-title <tokens>', 'longest title', wholeNumber)
    .option('--max-abstract <tokens>', 'longest abstract', wholeNumber)
    .option('--max-joined <tokens>', 'longest title and abstract together (heads cls and mean)', wholeNumber)
    .option('--seed <n>', 'decides splits, initial weights, order and dropout (default: 42)', wholeNumber)
    .option('--split-seed <n>', 'decides the splits of data that has none (default: as --seed)', wholeNumber)
    .addOption(
      new Option('--class-weights <how>', 'how much each class counts, whatever the recipe says').choices([
        'none',
        'balanced',
      ]),
    )
    .addOption(
      new Option('--words <how>', 'what stands beside the encoder, whatever the recipe says').choices([
        'none',
        'tfidf',
      ]),
    )
    .option('--augment', 'train on the copies that lie beside the splits, whatever the recipe says')
    .option(
      '--no-augment',
      'make no back-translated copies, as the recipe may ask for, and leave out those that are there',
    );
  return placementOptions(command, TRAINING_PRECISIONS)
    .addOption(saveAsOption('fp32'))
    .option('--deterministic', 'the same weights from the same seed on CUDA too, more slowly')
    .option('--offline', 'use only what was downloaded before')
    .option('--save-predictions <file>', "write the test papers' predictions, one JSON line each")
    .option('--resume', 'go on where the same training was left, or begin')
    .option(
      '--checkpoint-every <steps>',
      'beside one an epoch (default: one every five minutes)',
      wholeNumber,
    )
    .option('--log-every <steps>', 'a line in metrics.jsonl, beside one an epoch (default: 50)', wholeNumber)
    .option('--force', 'replace the model that stands in the folder, and discard a training that did not end')
    .option('--json', 'one JSON document on standard output and nothing else there; errors too');
}
