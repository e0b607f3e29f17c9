import { ArxivNativeError, asArxivNativeError } from '../errors.js';
import type { Recipe } from './recipe.js';
import type { RunFolder } from './run-folder.js';

/**
 * Turns what ended a training into an error with a remedy, which says what is left: the weights of the best epoch, and
 * a checkpoint to go on from.
 */
export function giveUp(error: unknown, run: RunFolder, recipe: Recipe): ArxivNativeError {
  const failure = explain(error, recipe);
  const { weights, resumable } = run;
  const left = [
    ...(weights === undefined ? [] : [`The weights of the best epoch before that are in ${weights}.`]),
    // A loss that is no number would come again, bit for bit.
    ...(resumable === undefined || failure.code === 'NON_FINITE'
      ? []
      : [`The same command with --resume goes on after step ${resumable}.`]),
  ];
  if (left.length === 0 || failure.code === 'CANCELLED') return failure;
  return new ArxivNativeError(failure.code, failure.message, {
    cause: failure.cause,
    remedy: [...(failure.remedy === undefined ? [] : [failure.remedy]), ...left].join('\n'),
  });
}

/** What failed after the model was complete, with that said. */
export function afterwards(error: unknown, folder: string): ArxivNativeError {
  const { code, message, remedy } = asArxivNativeError(error, 'IO', 'training ended well, but');
  const safe = `The model itself is complete, in ${folder}.`;
  return new ArxivNativeError(code, message, { cause: error, remedy: remedy ? `${remedy}\n${safe}` : safe });
}

function explain(error: unknown, { learningRate }: Recipe): ArxivNativeError {
  const failure = asArxivNativeError(error, 'ENGINE', 'training failed');
  if (failure.code !== 'NON_FINITE') return failure;
  return new ArxivNativeError('NON_FINITE', `training diverged: ${failure.message}`, {
    cause: error,
    remedy: `Try a lower --lr (it was ${learningRate}), or --precision fp32.`,
  });
}
