const INTERRUPTED = 130;

/**
 * Runs `work` with a signal that the first Ctrl-C (or SIGTERM, or the end of the terminal) aborts; the second one
 * ends the process at once. The exit code is then 130 however the work ends, unless it fails.
 */
export async function interruptible<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const interrupt = (name: NodeJS.Signals) => {
    if (!controller.signal.aborted) {
      process.exitCode = INTERRUPTED;
      controller.abort();
      return;
    }
    // The end of a terminal is told twice, by the shell and by the system: nobody means to hurry then.
    if (name !== 'SIGHUP') process.exit(INTERRUPTED);
  };
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const name of signals) process.on(name, interrupt);
  try {
    return await work(controller.signal);
  } finally {
    for (const name of signals) process.off(name, interrupt);
  }
}
