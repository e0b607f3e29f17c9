import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { ArxivNativeError, type ErrorCode } from '../errors.js';
import { WEIGHTS } from '../model/saved-model.js';
import type { StagedFolder } from '../util/files.js';
import type { Recipe } from './recipe.js';

/** What the engine calls its failures; see native/error.h. */
const ENGINE_CODES: readonly ErrorCode[] = [
  'BAD_INPUT',
  'BAD_MODEL',
  'IO',
  'UNSUPPORTED',
  'OUT_OF_MEMORY',
  'NON_FINITE',
  'CANCELLED',
  'ENGINE',
];

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

function explain(error: unknown, recipe: Recipe): ArxivNativeError {
  if (error instanceof ArxivNativeError) return error;
  const { message } = error as Error;
  const code = ENGINE_CODES.find(known => known === (error as { code?: unknown }).code);
  switch (code) {
    case undefined:
      return new ArxivNativeError('ENGINE', `training failed: ${message}`, { cause: error });
    case 'NON_FINITE':
      return new ArxivNativeError(code, `training diverged: ${message}`, {
        cause: error,
        remedy: `Try a lower --lr (it was ${recipe.learningRate}), or --precision fp32.`,
      });
    case 'OUT_OF_MEMORY':
      return new ArxivNativeError(code, `training needs more memory than there is: ${message}`, {
        cause: error,
        remedy: `Set --micro-batch lower than the batch of ${recipe.batchSize} (the result is the same), or shorten the texts (--max-abstract).`,
      });
    default:
      return new ArxivNativeError(code, message, { cause: error });
  }
}
