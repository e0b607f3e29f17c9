import type { CommanderError } from 'commander';
import { ArxivNativeError } from '../errors.js';

/**
 * The one place where an error becomes text. On standard error: `error: …` and, on the next
 * line, the remedy. With `json` also a document on standard output: { "error": { code, message, remedy } }.
 */
export function reportError(error: unknown, { json }: { json: boolean }): void {
  const { code, message, remedy } = describe(error);
  process.stderr.write(
    `error: ${message}\n${remedy ? `  remedy: ${remedy.replaceAll('\n', '\n  ')}\n` : ''}`,
  );
  if (process.env.ARXIV_NATIVE_DEBUG) process.stderr.write(`${trace(error)}\n`);
  if (json) process.stdout.write(`${JSON.stringify({ error: { code, message, remedy } })}\n`);
}

/** Commander's complaint about a call of `command` as ours. */
export function fromCommander(error: CommanderError, command: string): ArxivNativeError {
  const [first = '', ...rest] = error.message.replace(/^error: /, '').split('\n');
  const nearest = rest.join(' ').replace(/^\(|\)$/g, '');
  const help = `See \`${command} --help\`.`;
  return new ArxivNativeError('BAD_OPTION', first.replace(/\.$/, ''), {
    remedy: nearest ? `${nearest} ${help}` : help,
  });
}

function describe(error: unknown): { code: string; message: string; remedy: string | undefined } {
  if (error instanceof ArxivNativeError) return error;
  return {
    code: 'UNEXPECTED',
    message: error instanceof Error ? error.message : String(error),
    remedy: process.env.ARXIV_NATIVE_DEBUG ? undefined : 'ARXIV_NATIVE_DEBUG=1 shows where it comes from.',
  };
}

function trace(error: unknown): string {
  if (!(error instanceof Error)) return '';
  return error.cause === undefined ? `${error.stack}` : `${error.stack}\ncaused by ${trace(error.cause)}`;
}
