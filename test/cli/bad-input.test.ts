import { execFileSync, spawn } from 'node:child_process';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  type CliResult,
  cli,
  compiled,
  demoModel,
  examplePapers,
  finished,
  launcher,
} from '../support/cli.js';

let model: string;
let scratch: string;
let before: string[];

beforeAll(async () => {
  model = await demoModel();
});
beforeEach(() => {
  scratch = mkdtempSync(join(tmpdir(), 'arxiv-native-bad-'));
});
afterEach(() => rmSync(scratch, { recursive: true }));

const listing = () => readdirSync(scratch, { recursive: true }).map(String).sort();

/** Puts a file into the scratch folder. */
function file(name: string, content: string | Uint8Array): string {
  const path = join(scratch, name);
  writeFileSync(path, content);
  return path;
}

/** Runs the command line in a folder whose content it must not change. */
async function run(...args: string[]): Promise<CliResult> {
  before = listing();
  return cli(args);
}
const train = (data: string, ...args: string[]) =>
  run('train', '--data', data, '--recipe', 'demo', '--out', join(scratch, 'model'), ...args);
const predict = (input: string, ...args: string[]) =>
  run('predict', '--model', model, '--input', input, '--output', join(scratch, 'out.jsonl'), ...args);

/** One error, one remedy at most, the right exit code, no stack and nothing left behind. */
function expectRefused(result: CliResult, exitCode: number, message: RegExp): void {
  const error = /^error: [\s\S]*/m.exec(result.stderr)?.[0] ?? result.stderr;
  expect(error).toMatch(message);
  expect(error).not.toMatch(/\n\s+at |undefined|\[object/);
  expect(result.exitCode).toBe(exitCode);
  expect(result.stdout).toBe('');
  expect(listing()).toEqual(before);
}

const examples = () => readFileSync(examplePapers, 'utf8').trim().split('\n');
const ofClass = (label: string) => examples().filter(line => line.includes(`"${label}"`));
const jsonLines = (records: object[]) => records.map(record => `${JSON.stringify(record)}\n`).join('');

describe.each([
  ['train', train],
  ['predict', predict],
])('%s refuses', (_name, command) => {
  it('a file that is missing', async () => {
    const missing = join(scratch, 'missing.jsonl');
    expectRefused(await command(missing), 2, /missing\.jsonl.*no such file/);
  });

  it('a file that is empty', async () => {
    expectRefused(await command(file('empty.jsonl', '')), 2, /empty\.jsonl: empty/);
    expectRefused(await command(file('blank.jsonl', '\n\n')), 2, /blank\.jsonl: there are no papers/);
  });

  it('what is not JSON, naming the line', async () => {
    const lines = examples();
    lines[3] = '{"title": "cut';
    expectRefused(await command(file('cut.jsonl', lines.join('\n'))), 2, /cut\.jsonl:4: not JSON/);
  });

  it('columns that are not those of papers', async () => {
    expectRefused(
      await command(file('a.csv', 'name,text\na,b\n')),
      2,
      /a\.csv:1: no column "title" \(found: name, text\)/,
    );
    const wrong = jsonLines([{ headline: 'A', body: 'B' }]);
    expectRefused(
      await command(file('a.jsonl', wrong)),
      2,
      /a\.jsonl:1: no "title" \(found: headline, body\)/,
    );
  });

  it('a binary file', async () => {
    expectRefused(
      await command(file('a.jsonl', Buffer.from('PK\x03\x04\0\0\0\0'))),
      2,
      /a\.jsonl.*zip archive/,
    );
  });

  it('an unknown option, naming the nearest', async () => {
    expectRefused(
      await command(examplePapers, '--devise', 'cpu'),
      2,
      /unknown option '--devise'[\s\S]*--device/,
    );
  });

  it('a device and a precision that are not there', async () => {
    const noDevice = await command(examplePapers, '--device', 'cuda:63');
    expectRefused(noDevice, 1, /cuda/);
    expectRefused(await command(examplePapers, '--precision', 'fp64'), 2, /fp64.*Allowed choices/);
  });
});

describe('train refuses', () => {
  it('a paper without a category', async () => {
    const lines = [...examples(), JSON.stringify({ title: 'A', abstract: 'B' })];
    expectRefused(await train(file('a.jsonl', lines.join('\n'))), 2, /a\.jsonl:201: no category/);
  });

  it('a category that is none of the classes asked for', async () => {
    const lines = [...examples(), JSON.stringify({ title: 'A', abstract: 'B', category: 'cs.AL' })];
    expectRefused(await train(file('a.jsonl', lines.join('\n'))), 2, /a\.jsonl: .*cs\.AL has 1/);
  });

  it('a single class', async () => {
    expectRefused(
      await train(file('a.jsonl', ofClass('cs.CV').join('\n'))),
      2,
      /a\.jsonl: one class only \(cs\.CV\)/,
    );
  });

  it('three papers', async () => {
    expectRefused(
      await train(file('a.jsonl', examples().slice(0, 3).join('\n'))),
      2,
      /a\.jsonl: needs at least \d+ papers a class/,
    );
  });

  it('an unknown recipe, naming the nearest', async () => {
    expectRefused(await run('train', '--data', examplePapers, '--recipe', 'dmeo'), 2, /dmeo[\s\S]*demo/);
  });

  it('a recipe with an unknown key, naming the nearest', async () => {
    const recipe = file('mine.json', JSON.stringify({ extends: 'demo', learningRte: 1 }));
    const result = await run(
      'train',
      '--data',
      examplePapers,
      '--recipe',
      recipe,
      '--out',
      join(scratch, 'model'),
    );
    expectRefused(result, 2, /mine\.json.*"learningRte"[\s\S]*learningRate/);
  });

  it('a place where no folder can be made', async () => {
    const blocker = file('blocker', 'x');
    before = listing();
    const result = await cli([
      'train',
      '--data',
      examplePapers,
      '--recipe',
      'demo',
      '--out',
      join(blocker, 'model'),
    ]);
    expectRefused(result, 1, /blocker.*a file, not a folder/);
  });

  it('a folder that is something else, with --force too', async () => {
    mkdirSync(join(scratch, 'model'));
    file('model/thesis.tex', 'precious');
    expectRefused(await train(examplePapers), 2, /model exists already[\s\S]*--force/);
    expectRefused(await train(examplePapers, '--force'), 2, /not replaced/);
  });
});

describe('predict refuses', () => {
  const predictWith = (folder: string) => run('predict', '--model', folder, '--title', 'A');

  it('to guess what to classify', async () => {
    expectRefused(await run('predict'), 2, /nothing to classify[\s\S]*--title/);
    expectRefused(await run('predict', '--model', model), 2, /nothing to classify[\s\S]*--title/);
    expectRefused(
      await run('predict', '--model', model, '--title', ' '),
      2,
      /neither a title nor an abstract/,
    );
  });

  it('a folder that is missing or holds no model', async () => {
    expectRefused(await predictWith(join(scratch, 'nowhere')), 1, /nowhere/);
    mkdirSync(join(scratch, 'hollow'));
    expectRefused(await predictWith(join(scratch, 'hollow')), 1, /hollow/);
  });

  it.each(['config.json', 'model.safetensors', 'tokenizer.json', 'labels.json'])(
    'a model without its %s, or with half of it',
    async name => {
      const copy = join(scratch, 'model');
      cpSync(model, copy, { recursive: true });
      const path = join(copy, name);
      truncateSync(path, Math.floor(readFileSync(path).length / 2));
      expectRefused(await predictWith(copy), 1, new RegExp(name.replace('.', '\\.')));
      rmSync(path);
      expectRefused(await predictWith(copy), 1, new RegExp(name.replace('.', '\\.')));
    },
  );

  it('a config that contradicts the weights, naming the tensor', async () => {
    const copy = join(scratch, 'model');
    cpSync(model, copy, { recursive: true });
    const config = JSON.parse(readFileSync(join(copy, 'config.json'), 'utf8'));
    config.encoder.intermediateSize *= 2;
    writeFileSync(join(copy, 'config.json'), JSON.stringify(config));
    expectRefused(await predictWith(copy), 1, /intermediate\.dense/);
  });

  it('labels that contradict the head', async () => {
    const copy = join(scratch, 'model');
    cpSync(model, copy, { recursive: true });
    writeFileSync(join(copy, 'labels.json'), '["cs.AI"]');
    expectRefused(await predictWith(copy), 1, /labels\.json/);
  });

  it('an output that cannot be written', async () => {
    const blocker = file('blocker', 'x');
    const under = await run(
      'predict',
      '--model',
      model,
      '--input',
      examplePapers,
      '--output',
      join(blocker, 'out'),
    );
    expectRefused(under, 1, /blocker.*a file, not a folder/);
    const missing = join(scratch, 'nowhere', 'out');
    const nowhere = await run('predict', '--model', model, '--input', examplePapers, '--output', missing);
    expectRefused(nowhere, 1, /nowhere.*no such file or folder/);
  });
});

describe('a full disk', () => {
  it('stops train with an IO error and leaves nothing', async () => {
    before = listing();
    expectRefused(
      await limited([
        'train',
        '--data',
        examplePapers,
        '--recipe',
        'demo',
        '--epochs',
        '1',
        '--out',
        join(scratch, 'model'),
      ]),
      1,
      /best-1\.safetensors.* failed: the file is larger than the limit/,
    );
  });

  it('stops predict with an IO error and leaves nothing', async () => {
    const input = file(
      'many.jsonl',
      jsonLines(Array.from({ length: 1500 }, () => ({ title: 'A', abstract: 'B' }))),
    );
    before = listing();
    const args = ['predict', '--model', model, '--input', input, '--output', join(scratch, 'out.jsonl')];
    expectRefused(await limited(args), 1, /writing .*out\.jsonl failed: .*limit/);
  });

  it.skipIf(!canMount())('is noticed by train before any work is done', async () => {
    const disk = join(scratch, 'disk');
    mkdirSync(disk);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', disk]);
    try {
      const result = await run(
        'train',
        '--data',
        examplePapers,
        '--recipe',
        'demo',
        '--epochs',
        '1',
        '--out',
        join(disk, 'model'),
      );
      expectRefused(
        result,
        1,
        /no space left in .*model\.training: [\d.]+ MB are needed, [\d.]+ MB are free/,
      );
    } finally {
      execFileSync('umount', [disk]);
    }
  });

  /** Files of this process end at 64 KiB: a write beyond fails, as on a full disk, where its signal is caught. */
  async function limited(args: string[]): Promise<CliResult> {
    await compiled();
    const catching = "--import=data:text/javascript,process.on('SIGXFSZ',()=>{})";
    const script = 'ulimit -f 64; exec "$0" "$@"';
    return finished(spawn('bash', ['-c', script, process.execPath, catching, launcher, ...args]), '');
  }
});

describe('what is odd but a paper', () => {
  it('is classified: two megabytes, NUL, half surrogates, empty texts, other scripts', async () => {
    const odd = [
      { title: 'Long', abstract: 'word '.repeat(400_000) },
      { title: 'One word', abstract: 'w'.repeat(2_000_000) },
      { title: 'NUL \0 inside', abstract: '\0' },
      { title: 'Half \ud800 a pair', abstract: '\udc00' },
      { title: '', abstract: 'No title.' },
      { title: 'No abstract', abstract: null },
      { title: '深層学習', abstract: '🧠'.repeat(500) },
    ];
    const { exitCode, stdout } = await run(
      'predict',
      '--model',
      model,
      '--input',
      file('odd.jsonl', jsonLines(odd)),
    );
    expect(exitCode).toBe(0);
    const lines = stdout
      .trim()
      .split('\n')
      .map(line => JSON.parse(line));
    expect(lines.map(line => line.id)).toEqual(odd.map((_, i) => `line-${i + 1}`));
    for (const { probabilities } of lines) expect(Object.values(probabilities)).not.toContain(null);
  });

  it('is trained on', async () => {
    const odd = [
      { title: 'NUL \0 inside', abstract: `\0 \ud800 ${'w'.repeat(2_000_000)}`, category: 'cs.AI' },
      { title: '', abstract: 'No title.', category: 'cs.LG' },
    ];
    const data = file('odd.jsonl', `${examples().join('\n')}\n${jsonLines(odd)}`);
    expect((await train(data, '--epochs', '1')).exitCode).toBe(0);
    expect(readdirSync(join(scratch, 'model'))).toContain('model.safetensors');
  });
});

function canMount(): boolean {
  const probe = mkdtempSync(join(tmpdir(), 'arxiv-native-mount-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', probe], { stdio: 'ignore' });
    execFileSync('umount', [probe]);
    return true;
  } catch {
    return false;
  } finally {
    rmSync(probe, { recursive: true, force: true });
  }
}
