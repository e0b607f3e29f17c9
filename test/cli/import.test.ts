import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { cli, compiled, finished, launcher } from '../support/cli.js';
import { zipOf } from '../support/zip.js';

let scratch: string;
beforeEach(() => {
  scratch = mkdtempSync(join(tmpdir(), 'arxiv-native-import-'));
});
afterEach(() => rmSync(scratch, { recursive: true }));

const path = (name: string) => join(scratch, name);
function file(name: string, content: string | Uint8Array): string {
  writeFileSync(path(name), content);
  return path(name);
}

/** Lines as Kaggle's snapshot has them, a tenth of them of cs.AI. */
function snapshot(count: number, bad: Record<number, string> = {}): string {
  return Array.from({ length: count }, (_, i) => {
    const fields = {
      id: `0704.${i}`,
      title: `Paper ${i}`,
      categories: i % 10 === 0 ? 'cs.LG cs.AI' : 'math.CO',
      abstract: '  We count\npapers.\n',
      versions: [{ version: 'v1', created: `Mon, 2 Apr ${2007 + (i % 3)} 19:18:42 GMT` }],
      update_date: '2010-01-01',
    };
    return `${bad[i] ?? JSON.stringify(fields)}\n`;
  }).join('');
}

describe('import', () => {
  it('writes the papers that are asked for and says what became of the others', async () => {
    const content = snapshot(1200);
    const inputs = [
      file('a.json', content),
      file('a.json.gz', gzipSync(content)),
      file('a.zip', zipOf([{ name: 'arxiv-metadata-oai-snapshot.json', content }])),
    ];
    for (const input of inputs) {
      const args = [
        '--categories',
        'cs.AI',
        '--from',
        '2008-01-01',
        '--force',
        '--output',
        path('out.jsonl'),
      ];
      const { exitCode, stdout, stderr } = await cli(['import', input, ...args]);
      expect({ exitCode, stdout }).toEqual({ exitCode: 0, stdout: '' });
      expect(stderr).toBe(
        `80 of 1,200 papers kept, 1,080 of other categories, 40 of other dates: ${path('out.jsonl')}\n`,
      );
      const lines = readFileSync(path('out.jsonl'), 'utf8').trimEnd().split('\n');
      expect(lines).toHaveLength(80);
      expect(JSON.parse(lines[0]!)).toEqual({
        id: '0704.10',
        version: 1,
        title: 'Paper 10',
        abstract: 'We count papers.',
        categories: ['cs.LG', 'cs.AI'],
        published: '2008-04-02T19:18:42Z',
        updated: '2010-01-01',
        queries: ['cs.AI'],
      });
    }
  });

  it('with --json says it in one document, errors too', async () => {
    const args = ['import', '-', '--json', '--output', path('out.jsonl'), '--categories', 'cs.AI,cs.ai'];
    const { exitCode, stdout, stderr } = await cli(args, { input: snapshot(20) });
    expect(exitCode).toBe(0);
    expect(JSON.parse(stdout)).toEqual({
      output: path('out.jsonl'),
      read: 20,
      kept: 2,
      errors: 0,
      leftOut: { otherCategories: 18, otherDates: 0, undated: 0 },
      categories: { 'cs.AI': 2, 'cs.ai': 0 },
      warnings: ['no paper carries "cs.ai". Did you mean "cs.AI"?'],
      seconds: expect.any(Number),
    });
    expect(stderr).toMatch(/^warning: no paper carries "cs\.ai"\. Did you mean "cs\.AI"\?$/m);
    const again = await cli(args, { input: snapshot(20) });
    expect(again.exitCode).toBe(2);
    expect(JSON.parse(again.stdout)).toMatchObject({ error: { code: 'BAD_OPTION' } });
  });

  it('takes CSV with columns of any names', async () => {
    const csv = file('a.csv', 'Titel,Summary,"Topics, all"\nA,b,"cs.AI, cs.LG"\n');
    const columns = 'title=Titel,abstract=Summary,categories=Topics, all';
    const args = ['import', csv, '--columns', columns, '--primary-only', '--categories', 'cs.AI'];
    expect(await cli([...args, '--output', path('out.jsonl')])).toMatchObject({ exitCode: 0 });
    expect(readFileSync(path('out.jsonl'), 'utf8')).toBe(
      '{"title":"A","abstract":"b","categories":["cs.AI","cs.LG"],"queries":["cs.AI"]}\n',
    );
    const wrong = await cli(['import', csv, '--output', path('b.jsonl'), '--columns', 'titel=Titel']);
    expect(wrong).toMatchObject({ exitCode: 2, stdout: '' });
    expect(wrong.stderr).toMatch(/^error: papers have no "titel"[\s\S]*Did you mean "title"\?/);
    const twice = await cli(['import', csv, '--output', path('b.jsonl'), '--columns', '__proto__=Titel']);
    expect(twice.stderr).toContain('papers have no "__proto__"');
    const empty = await cli(['import', csv, '--output', path('b.jsonl'), '--columns', 'Titel']);
    expect(empty.stderr).toMatch(/^error: "Titel" names no column[\s\S]*title=Titel/);
  });

  it('stops at the first bad line, or warns of the first of them only', async () => {
    const bad = Object.fromEntries(Array.from({ length: 30 }, (_, i) => [i + 2, '{"title": ']));
    const input = file('a.json', snapshot(40, bad));
    const args = ['import', input, '--output', path('out.jsonl')];
    const stopped = await cli(args);
    expect(stopped.exitCode).toBe(2);
    expect(stopped.stderr).toMatch(/^error: .*a\.json:3: not JSON/);
    expect(readdirSync(scratch)).toEqual(['a.json']);
    const { exitCode, stderr } = await cli([...args, '--on-error', 'skip']);
    expect(exitCode).toBe(0);
    expect(stderr.match(/^warning: /gm)).toHaveLength(11);
    expect(stderr).toContain('10 of 40 papers kept, 30 bad lines skipped');
  });

  it('refuses what makes no sense', async () => {
    const input = file('a.json', snapshot(1));
    const refused = async (...args: string[]) => {
      const { exitCode, stderr, stdout } = await cli(['import', ...args]);
      expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
      return stderr;
    };
    expect(await refused('--output', path('out.jsonl'))).toMatch(/missing required argument 'file'/);
    expect(await refused(input)).toMatch(/--output/);
    const output = ['--output', path('out.jsonl')];
    expect(await refused(input, ...output, '--format', 'xml')).toMatch(/xml.*Allowed choices/);
    expect(await refused(input, ...output, '--categories', ',')).toMatch(
      /"categories" must be a list of names/,
    );
    expect(await refused(input, ...output, '--to', '2025-13-01')).toMatch(/"to" must be a day/);
    expect(await refused(input, ...output, '--primary-only')).toMatch(/"primaryOnly".*[\s\S]*--categories/);
    expect(await refused(input, '--output', input, '--force')).toMatch(/is the input: it is not replaced/);
    expect(readdirSync(scratch)).toEqual(['a.json']);
  });

  it('says in its help what it takes', async () => {
    const { exitCode, stdout } = await cli(['import', '--help']);
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/--columns[\s\S]*Examples:[\s\S]*\.zip/);
  });
});

describe('an import that is interrupted', () => {
  it.each(['SIGINT', 'SIGTERM'] as const)('by %s leaves nothing and exits with 130', async signal => {
    await compiled();
    const child = spawn(process.execPath, [launcher, 'import', '-', '--output', path('out.jsonl')]);
    const result = finished(child);
    child.stdin.write(snapshot(2000));
    while (!readdirSync(scratch).some(name => name.endsWith('.part'))) await sleep(10);
    child.kill(signal);
    const { exitCode, stderr } = await result;
    expect(exitCode).toBe(130);
    expect(stderr).toMatch(/^error: importing -: cancelled$/m);
    expect(readdirSync(scratch)).toEqual([]);
  });

  it('by a full disk keeps what was there', async () => {
    await compiled();
    const before = file('out.jsonl', 'precious\n');
    const input = file('a.json', snapshot(3000));
    // Files of this process end at 64 KiB: a write beyond fails, as on a full disk, where its signal is caught.
    const catching = "--import=data:text/javascript,process.on('SIGXFSZ',()=>{})";
    const args = [process.execPath, catching, launcher, 'import', input, '--output', before, '--force'];
    const result = await finished(spawn('bash', ['-c', 'ulimit -f 64; exec "$0" "$@"', ...args]), '');
    expect(result.exitCode).toBe(1);
    expect(result.stderr).toMatch(/^error: writing .*out\.jsonl failed: .*limit/m);
    expect(readFileSync(before, 'utf8')).toBe('precious\n');
    expect(readdirSync(scratch).sort()).toEqual(['a.json', 'out.jsonl']);
  });
});
