import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { ArxivNativeError, asArxivNativeError } from '../errors.js';
import { WEIGHTS } from '../model/saved-model.js';
import type { StagedFolder } from '../util/files.js';
import type { Recipe } from './recipe.js';

/**
 * Turns what ended a training into an error with a remedy. Weights of an epoch that ended well stay in the staged
 * folder, and the remedy says where; else the folder is removed.
 */
export async function giveUp(
  error: unknown,
  staged: StagedFolder,
  recipe: Recipe,
): Promise<ArxivNativeError> {
  const failure = explain(error, recipe);
  const weights = join(staged.path, WEIGHTS);
  if (!existsSync(weights) || failure.remedy?.includes(weights)) {
    await staged.discard();
    return failure;
  }
  staged.keep();
  const kept = `The weights of the best epoch before that are in ${weights}.`;
  return new ArxivNativeError(failure.code, failure.message, {
    cause: failure.cause,
    remedy: failure.remedy === undefined ? kept : `${failure.remedy}\n${kept}`,
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
