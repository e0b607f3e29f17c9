import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkpoint, expected } from '../model/checkpoints.js';
import { cli, compiled } from '../support/cli.js';

const scratch = mkdtempSync(join(tmpdir(), 'arxiv-native-import-checkpoint-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));
beforeAll(compiled);

function run(name: string, out: string, ...more: string[]) {
  const encoder = ['--encoder', checkpoint('encoder')];
  return cli([
    'import-checkpoint',
    checkpoint(`${name}.pth`),
    '--out',
    join(scratch, out),
    ...encoder,
    ...more,
  ]);
}

describe('import-checkpoint', () => {
  it('makes a model that predict serves', async () => {
    const { exitCode, stdout, stderr } = await run(
      'v2-v4',
      'v4',
      '--labels',
      checkpoint('labels/objects-4.pkl'),
    );
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    expect(stdout).toBe(
      `${[
        'Layout: V2 to V4, on 2 layers of 16',
        'Classes: cs.AI, cs.CL, cs.CV, cs.LG (the LabelEncoder in objects-4.pkl)',
        'Stated by the file, not measured here: epoch 3, val_acc 0.5866, val_f1 0.5',
        `Saved: ${join(scratch, 'v4')}`,
      ].join('\n')}\n`,
    );
    const { title, abstract } = expected.papers[0]!;
    const paper = ['--title', title, '--abstract', abstract];
    const predicted = await cli([
      'predict',
      '--model',
      join(scratch, 'v4'),
      '--precision',
      'fp32',
      ...paper,
      '--json',
    ]);
    const { probabilities } = JSON.parse(predicted.stdout);
    const exponentials = expected.logits['v2-v4']![0]!.map(Math.exp);
    const sum = exponentials.reduce((a, b) => a + b, 0);
    for (const [k, label] of ['cs.AI', 'cs.CL', 'cs.CV', 'cs.LG'].entries()) {
      expect(probabilities[label]).toBeCloseTo(exponentials[k]! / sum, 5);
    }
  });

  it('gives one JSON document when asked, of failures too', async () => {
    const { exitCode, stdout } = await run('dual', 'dual', '--classes', 'a, b, c', '--json');
    expect(exitCode).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      folder: join(scratch, 'dual'),
      record: { labels: ['a', 'b', 'c'], imported: { layout: 'dual', labelsFrom: 'given by name' } },
    });

    const failed = await run('dual', 'other', '--json');
    expect(failed.exitCode).toBe(2);
    expect(JSON.parse(failed.stdout).error).toMatchObject({
      code: 'BAD_OPTION',
      message: expect.stringContaining('tells 3 classes apart'),
    });
  });

  it('ends with a message where the file is no such checkpoint, and leaves nothing', async () => {
    const { exitCode, stdout, stderr } = await run('labels/texts-4', 'none');
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: '' });
    expect(stderr).toMatch(/^error: .*labels\/texts-4\.pth: there is no such file\n {2}remedy: /);
    expect(existsSync(join(scratch, 'none'))).toBe(false);
    expect(readdirSync(scratch).filter(name => name.startsWith('.'))).toEqual([]);
  });
});
