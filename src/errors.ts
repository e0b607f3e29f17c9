/** What went wrong, for programs. Every failure that a caller may want to tell apart has one. */
export type ErrorCode =
  | 'BAD_OPTION' // an option or a recipe is wrong: usage
  | 'BAD_INPUT' // a data file is missing, malformed or insufficient
  | 'BAD_MODEL' // a model, checkpoint or tokenizer file is missing, truncated or contradictory
  | 'IO' // reading or writing failed: permissions, disk full
  | 'NETWORK' // a download failed
  | 'LIBTORCH' // no fit LibTorch was found
  | 'ADDON' // the native addon is not built or does not load
  | 'UNSUPPORTED' // this platform, device or precision cannot do that
  | 'TRANSLATOR' // a translator is not installed, or its process broke down
  | 'OUT_OF_MEMORY'
  | 'NON_FINITE' // the loss or the gradients became NaN or infinite
  | 'CANCELLED'
  | 'ENGINE'; // anything else LibTorch reported

export interface ErrorDetails {
  /** What to do about it: a sentence or a command, printed on its own line. */
  remedy?: string;
  cause?: unknown;
}

/** The one error class. `message` says what happened and where (file, line), `remedy` how to mend it. */
export class ArxivNativeError extends Error {
  override readonly name = 'ArxivNativeError';
  readonly code: ErrorCode;
  readonly remedy: string | undefined;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.remedy = details.remedy;
  }
}

/** Process exit codes: 2 for what the user can correct in the call, 130 for an interruption, 1 for the rest. */
export function exitCode(error: unknown): number {
  if (!(error instanceof ArxivNativeError)) return 1;
  if (error.code === 'CANCELLED') return 130;
  return error.code === 'BAD_OPTION' || error.code === 'BAD_INPUT' ? 2 : 1;
}

/** Turns whatever was thrown into an ArxivNativeError, keeping one that already is. */
export function asArxivNativeError(error: unknown, code: ErrorCode, context: string): ArxivNativeError {
  if (error instanceof ArxivNativeError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new ArxivNativeError(code, `${context}: ${message}`, { cause: error });
}

export function isOutOfMemory(error: unknown): boolean {
  return error instanceof ArxivNativeError && error.code === 'OUT_OF_MEMORY';
}
