import type { ArxivNativeError } from '../errors.js';

const WARNINGS = 10;

/** Warns of each bad line up to a number that a person still reads, and then says that it stops. */
export function skipWarning(print: (text: string) => void): (error: ArxivNativeError) => void {
  let seen = 0;
  return error => {
    if (++seen <= WARNINGS) print(`warning: ${error.message}: skipped`);
    if (seen === WARNINGS) print('warning: further bad lines are only counted');
  };
}
