import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { reportError } from '../../src/cli/report-error.js';
import { ArxivNativeError } from '../../src/errors.js';
import { cli, compiled, examplePapers, finished, launcher, root } from '../support/cli.js';

describe('arxiv-native', () => {
  it('prints its version', async () => {
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
    expect(await cli(['--version'])).toEqual({ exitCode: 0, stdout: `${version}\n`, stderr: '' });
  });

  it('prints help with examples, quickly and without the engine', async () => {
    const { exitCode, stdout } = await cli(['--help'], { env: { LIBTORCH: '/nowhere' } });
    expect(exitCode).toBe(0);
    for (const word of ['train', 'predict', 'doctor', 'setup', 'Examples:']) expect(stdout).toContain(word);
  });

  it.each(['train', 'predict', 'doctor', 'setup'])('%s prints help of its own', async command => {
    const { exitCode, stdout } = await cli([command, '--help']);
    expect(exitCode).toBe(0);
    expect(stdout).toContain(`Usage: arxiv-native ${command}`);
  });

  it('loads for its help only what the help needs', async () => {
    await compiled();
    const script = `
      const { main } = await import(${JSON.stringify(join(root, 'dist/cli/main.js'))});
      await main(['node', 'arxiv-native', '--help']);
      const loaded = process.report.getReport().sharedObjects.filter(file => /torch|arxiv_native/.test(file));
      console.error(JSON.stringify(loaded));`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script]);
    const { stderr } = await finished(child, '');
    expect(JSON.parse(stderr)).toEqual([]);
  });

  it('without a command prints help and fails', async () => {
    const { exitCode, stderr } = await cli([]);
    expect(exitCode).toBe(2);
    expect(stderr).toContain('Usage:');
  });

  it.each([
    [['predcit'], /unknown command 'predcit'/, /Did you mean predict\?/],
    [['predict', '--titel', 'A'], /unknown option '--titel'/, /Did you mean --title\?/],
    [['predict', '--title'], /argument missing/, /arxiv-native predict --help/],
    [['predict', '--top-k', 'many', '--title', 'A'], /--top-k.*'many'.*whole number above 0/, /--help/],
    [
      ['predict', '--precision', 'int3', '--title', 'A'],
      /Allowed choices are auto, fp32, bf16, fp16/,
      /--help/,
    ],
    [['predict', '--input', 'a.jsonl', '--title', 'A'], /cannot be used with/, /--help/],
    [['predict', 'papers.jsonl'], /too many arguments/, /--help/],
    [
      ['predict', '--model', 'none', '--input', examplePapers, '--output', examplePapers, '--force'],
      /papers\.jsonl is the input/,
      /another file/,
    ],
  ])('%j is refused as a usage error', async (args, message, remedy) => {
    const { exitCode, stdout, stderr } = await cli(args);
    expect(stderr).toMatch(/^error: .*\n {2}remedy: .*\n$/);
    const [first, second] = stderr.split('\n');
    expect(first).toMatch(message);
    expect(second).toMatch(remedy);
    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
  });

  it('puts an error into the JSON document too', async () => {
    const { exitCode, stdout, stderr } = await cli([
      'predict',
      '--json',
      '--title',
      'A',
      '--model',
      '/nowhere',
    ]);
    expect(exitCode).toBe(1);
    const { error } = JSON.parse(stdout);
    expect(error.code).toBe('BAD_MODEL');
    expect(stderr).toContain(`error: ${error.message}\n  remedy: ${error.remedy}`);
  });

  it('ends quietly when its reader goes away', async () => {
    await compiled();
    const child = spawn('bash', [
      '-c',
      `set -o pipefail; "$0" "$1" train --help | true`,
      process.execPath,
      launcher,
    ]);
    expect(await finished(child)).toEqual({ exitCode: 0, stdout: '', stderr: '' });
  });

  it.skipIf(process.platform !== 'linux')('reports a standard output that takes nothing', async () => {
    await compiled();
    const child = spawn('bash', ['-c', '"$0" "$1" --help > /dev/full', process.execPath, launcher]);
    const { exitCode, stderr } = await finished(child);
    expect({ exitCode, stderr }).toEqual({
      exitCode: 1,
      stderr: expect.stringMatching(/^error: writing .*ENOSPC/),
    });
  });
});

describe('reportError', () => {
  function report(error: unknown, json = false) {
    let stderr = '';
    const write = vi.spyOn(process.stderr, 'write').mockImplementation(text => {
      stderr += text;
      return true;
    });
    reportError(error, { json });
    write.mockRestore();
    return stderr;
  }

  it('prints message and remedy', () => {
    const error = new ArxivNativeError('IO', 'writing /a failed: the disk is full', {
      remedy: 'Free some\nspace.',
    });
    expect(report(error)).toBe('error: writing /a failed: the disk is full\n  remedy: Free some\n  space.\n');
    expect(report(new ArxivNativeError('CANCELLED', 'stopped'))).toBe('error: stopped\n');
  });

  it('hides the stack of the unexpected until it is asked for', () => {
    const error = new TypeError('x is not a function', { cause: new Error('deep') });
    const plain = report(error);
    expect(plain).toContain('error: x is not a function\n  remedy: ARXIV_NATIVE_DEBUG=1');
    expect(plain).not.toContain('at ');
    vi.stubEnv('ARXIV_NATIVE_DEBUG', '1');
    expect(report(error)).toMatch(/TypeError: x is not a function\n +at [\s\S]*caused by Error: deep\n +at /);
    vi.unstubAllEnvs();
  });
});
