import { type Command, InvalidArgumentError, Option } from 'commander';

export const TRAINING_PRECISIONS = ['auto', 'fp32', 'bf16', 'fp16'] as const;

/** Adds the options that say where and how the engine computes. */
export function placementOptions(
  command: Command,
  precisions: readonly string[] = [...TRAINING_PRECISIONS, 'int8'],
): Command {
  return command
    .option('--device <device>', 'auto, cpu, cuda, cuda:1 or mps', 'auto')
    .addOption(new Option('--precision <precision>', 'to compute in').choices(precisions).default('auto'))
    .option('--threads <n>', 'CPU threads (default: all)', positiveInteger);
}

/** The type that weights are stored in. */
export function saveAsOption(standard: string): Option {
  return new Option('--save-as <type>', `of the weights in the file (default: ${standard})`).choices([
    'fp32',
    'bf16',
    'fp16',
  ]);
}

/** For commander: names with commas between them. */
export function list(text: string): string[] {
  return text
    .split(',')
    .map(name => name.trim())
    .filter(name => name !== '');
}

/** For commander: a whole number above 0. */
export function positiveInteger(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value === 0 || !Number.isSafeInteger(value)) {
    throw new InvalidArgumentError('It must be a whole number above 0.');
  }
  return value;
}

/** For commander: a number, whose range others judge. */
export function number(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value)) throw new InvalidArgumentError('It must be a number.');
  return value;
}

/** For commander: a whole number, whose range others judge. */
export function wholeNumber(text: string): number {
  const value = number(text);
  if (!Number.isSafeInteger(value)) throw new InvalidArgumentError('It must be a whole number.');
  return value;
}

/** For commander: `class=number`, as often as it is given; a class may have a = in its name. */
export function threshold(text: string, before: Record<string, number> = {}): Record<string, number> {
  const at = text.lastIndexOf('=');
  if (at < 1) throw new InvalidArgumentError('It must be a class, = and a number, as cs.AI=0.4.');
  const label = text.slice(0, at);
  if (Object.hasOwn(before, label)) throw new InvalidArgumentError(`${label} has a threshold already.`);
  return Object.fromEntries([...Object.entries(before), [label, number(text.slice(at + 1))]]);
}
