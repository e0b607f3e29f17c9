// The contestant's end of the protocol of contest.mjs: one JSON line for each that comes, timed.
import { createInterface } from 'node:readline';

// The last line is what the other end tells of a failure; Node would end with its version.
process.on('uncaughtException', error => {
  process.stderr.write(`${process.env.ARXIV_NATIVE_DEBUG ? error.stack : `error: ${error.message}`}\n`);
  process.exit(1);
});

/** What this process was started with. */
export const spec = JSON.parse(process.argv[2] ?? '{}');

/**
 * Answers each message until there are no more.
 *
 * @param prepare message → what is timed: a function that returns what else belongs into the answer. What it does
 *   before it returns that function is not timed.
 * @param facts versions and the like, for the record
 */
export async function answer(prepare, facts = {}) {
  write({ ready: true, ...facts });
  for await (const line of createInterface({ input: process.stdin })) {
    const run = await prepare(JSON.parse(line));
    const before = process.resourceUsage();
    const began = performance.now();
    const result = await run();
    const seconds = (performance.now() - began) / 1000;
    const after = process.resourceUsage();
    const microseconds = usage => usage.userCPUTime + usage.systemCPUTime;
    write({
      seconds,
      cpuSeconds: (microseconds(after) - microseconds(before)) / 1e6,
      pageFaults: after.minorPageFault - before.minorPageFault,
      peakMib: after.maxRSS / 1024,
      ...result,
    });
  }
}

function write(value) {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}
