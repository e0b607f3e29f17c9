import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { type ArxivServer, arxivServer, someRecords } from '../data/arxiv/server.js';
import { type CliResult, compiled, finished, launcher } from '../support/cli.js';

let folder: string;
let output: string;
let server: ArxivServer;

beforeAll(compiled);

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'fetch-cli-'));
  output = join(folder, 'papers.jsonl');
  server = await arxivServer(someRecords(300));
  server.pageSize = 8;
});

afterEach(async () => {
  await server.close();
  rmSync(folder, { recursive: true, force: true });
});

function start(...args: string[]): ChildProcess {
  const command = ['fetch', '--categories', 'cs.AI,cs.CL', '--per-category', '60', '--output', output];
  return spawn(process.execPath, [launcher, ...command, '--page-size', '8', '--pause', '0.01', ...args], {
    env: {
      ...process.env,
      ARXIV_API_ENDPOINT: server.api,
      ARXIV_OAI_ENDPOINT: server.oai,
      NO_PROXY: '127.0.0.1',
    },
  });
}

const run = (...args: string[]): Promise<CliResult> => finished(start(...args));

/** What was asked since the last call. */
function asked(): string[] {
  server.times.length = 0;
  return server.requests.splice(0).map(({ path }) => path);
}

it.each([
  ['--via', 'api', '--to', '2025-12-31'],
  ['--via', 'oai', '--from', '2025-01-01', '--to', '2025-12-31'],
])(
  'killed at any moment, the same command gives the same file (%s %s)',
  async (...how) => {
    expect((await run(...how)).exitCode).toBe(0);
    const undisturbed = readFileSync(output);
    rmSync(output);
    const pages = asked();

    let times: ArxivServer['times'] = [];
    const [got, all]: [string[], string[]] = [[], []];
    for (let kills = 0; kills < 4; kills++) {
      const child = start(...how);
      const end = finished(child);
      const moment = 1 + Math.floor(Math.random() * 4);
      server.onRequest = async count => {
        if (count !== moment) return;
        // Before, while or after the answer is written to the journal.
        await sleep(Math.random() * 3);
        setTimeout(() => child.kill('SIGKILL'), Math.random() * 40);
      };
      await end;
      expect(existsSync(output)).toBe(false);
      times = [...times, ...server.times];
      // The last one was perhaps still on its way.
      const last = asked();
      for (const page of last) expect(got).not.toContain(page);
      got.push(...last.slice(0, -1));
      all.push(...last);
    }
    server.onRequest = () => {};
    const { exitCode, stderr } = await run(...how);
    expect(exitCode).toBe(0);
    expect(stderr).toMatch(/^going on with the fetch of .*, from .*\.papers\.jsonl\.fetch$/m);
    expect(readFileSync(output).equals(undisturbed)).toBe(true);
    expect(readdirSync(folder)).toEqual(['papers.jsonl']);

    times = [...times, ...server.times];
    for (const [i, time] of times.entries()) if (i > 0) expect(time.begin).toBeGreaterThan(times[i - 1]!.end);
    const rest = asked();
    for (const page of rest) expect(got).not.toContain(page);
    expect(new Set([...all, ...rest])).toEqual(new Set(pages));
  },
  60_000,
);

it('stops on Ctrl-C, says how to go on, and does', async () => {
  const child = start();
  server.onRequest = count => {
    if (count === 3) child.kill('SIGINT');
  };
  const stopped = await finished(child);
  expect(stopped.exitCode).toBe(130);
  expect(stopped.stderr).toMatch(
    /error: the fetch was interrupted; what has arrived is in .*\.fetch\n {2}remedy: The same/,
  );
  expect(stopped.stdout).toBe('');
  expect(existsSync(output)).toBe(false);
  asked();
  const result = await run('--json');
  expect(result.exitCode).toBe(0);
  const summary = JSON.parse(result.stdout);
  expect(summary).toMatchObject({ output, retries: 0, requests: asked().length });
  expect(summary.categories).toEqual([
    { category: 'cs.AI', papers: 60, others: expect.any(Number) },
    { category: 'cs.CL', papers: 60, others: expect.any(Number) },
  ]);
  expect(readFileSync(output, 'utf8').trim().split('\n')).toHaveLength(summary.papers);
});

it('is quiet without a terminal, and refuses what stands there', async () => {
  const { exitCode, stdout, stderr } = await run();
  expect(exitCode).toBe(0);
  expect(stderr).toMatch(/^journal: .*\n$/);
  expect(stdout).toMatch(
    /^ +papers +others\ncs\.AI +60 +\d+\ncs\.CL +60 +\d+\n\d+ requests, 0 of them again; .*\nSaved: /,
  );
  const before = readFileSync(output);
  const again = await run('--json');
  expect(again.exitCode).toBe(2);
  expect(JSON.parse(again.stdout).error).toMatchObject({
    code: 'BAD_OPTION',
    message: `${output} exists already`,
  });
  expect(readFileSync(output).equals(before)).toBe(true);
});

it.each([
  [['--categories', 'cs.ai'], /no category of arXiv's\n {2}remedy: Did you mean "cs.AI"\?/],
  [['--per-category', '0'], /whole number above 0/],
  [['--from', 'June'], /--from|"from"/],
  [['--via', 'oai'], /"from" is missing: OAI-PMH cannot sort by submission/],
  [['--page-size', '5000'], /at most 2000/],
])('refuses %s before it asks', async (args, message) => {
  const { exitCode, stderr } = await run(...args);
  expect(exitCode).toBe(2);
  expect(stderr).toMatch(message);
  expect(server.requests).toHaveLength(0);
  expect(readdirSync(folder)).toEqual([]);
});
