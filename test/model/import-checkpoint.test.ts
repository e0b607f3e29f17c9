import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { fromBufferPromise } from 'yauzl';
import { loadEngine } from '../../src/engine.js';
import { ByteFile } from '../../src/model/byte-file.js';
import { type ImportCheckpointOptions, importCheckpoint } from '../../src/model/import-checkpoint.js';
import { openSavedModel } from '../../src/model/saved-model.js';
import { openCheckpoint, openTensors } from '../../src/model/tensor-file.js';
import { Predictor } from '../../src/serve/predictor.js';
import { packPapers } from '../../src/text/pack.js';
import { checkpoint, expected, filled, type Weights, weightsOf, writeWeights } from './checkpoints.js';
import { startHub } from './hub-server.js';
import { fixture } from './weights.js';

const FOUR = ['cs.AI', 'cs.CL', 'cs.CV', 'cs.LG'];
const ENCODER = checkpoint('encoder');
const scratch = mkdtempSync(join(tmpdir(), 'import-checkpoint-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

let folder: string;
let out: string;
let runs = 0;
beforeEach(() => {
  folder = join(scratch, `${runs++}`);
  mkdirSync(folder);
  out = join(folder, 'model');
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
});

function imported(name: string, options: Partial<ImportCheckpointOptions> = {}) {
  return importCheckpoint({ file: checkpoint(`${name}.pth`), out, encoder: ENCODER, ...options });
}

async function logitsOf(model: string): Promise<Float32Array> {
  const saved = await openSavedModel(model);
  const engine = await loadEngine().createModel({
    encoder: saved.encoder,
    head: saved.head,
    device: 'cpu',
    precision: 'fp32',
    threads: 1,
    seed: 0,
    deterministic: false,
    weights: saved.tensors,
    mayInitialize: [],
  });
  try {
    return await engine.predict(packPapers(saved.tokenizer, expected.papers, saved.lengths));
  } finally {
    engine.dispose();
  }
}

function softmax(logits: number[]): number[] {
  const exponentials = logits.map(Math.exp);
  const sum = exponentials.reduce((a, b) => a + b, 0);
  return exponentials.map(value => value / sum);
}

const two = { title: 32, abstract: 128 };
const fusion = { hidden: [12, 10, 6], activation: 'gelu', embeddingDropout: 0.1 };
const three = { classes: ['one', 'two', 'three'] };
const pickle = { labels: checkpoint('labels/texts-4.pkl') };
const v4 = { epoch: 3, val_acc: 0.5866, val_f1: 0.5 };

describe('importCheckpoint', () => {
  it.each([
    ['v5-script', 'v5-script', {}, { type: 'cross-attention', ...fusion, attentionHeads: 8 }, two, {}],
    ['v5-notebook', 'v5-notebook', pickle, { type: 'cross-attention', ...fusion }, two, {}],
    ['v2-v4', 'v2-v4', pickle, { type: 'concat', ...fusion }, two, v4],
    ['v2-v4-legacy', 'v2-v4', {}, { type: 'concat', ...fusion }, two, v4],
    [
      'dual',
      'dual',
      three,
      { type: 'concat', hidden: [12, 10], activation: 'relu', embeddingDropout: 0 },
      two,
      {},
    ],
    [
      'light',
      'light',
      pickle,
      { type: 'cls', hidden: [7], activation: 'relu', embeddingDropout: 0 },
      { joined: 160 },
      { epoch: 7, val_acc: 61.5 },
    ],
  ])(
    'makes of %s a model that says what PyTorch said',
    async (name, layout, options, head, lengths, stated) => {
      const { folder: saved, record } = await imported(name, options);
      expect(saved).toBe(out);
      expect(record).toMatchObject({ lengths, imported: { file: `${name}.pth`, layout, stated } });
      const wanted = expected.logits[layout]!;
      const labels = name === 'dual' ? three.classes : FOUR;
      expect(await openSavedModel(out)).toMatchObject({ labels, head, lengths, training: record });

      const logits = await logitsOf(out);
      expect(logits.length).toBe(wanted.flat().length);
      for (const [i, logit] of wanted.flat().entries())
        expect(Math.abs(logits[i]! - logit)).toBeLessThan(1e-5);

      const predictor = await Predictor.load(out, { device: 'cpu', precision: 'fp32', threads: 1 });
      const predictions = await predictor.predictBatch(expected.papers);
      await predictor.dispose();
      for (const [i, { probabilities }] of predictions.entries()) {
        for (const [k, probability] of softmax(wanted[i]!).entries()) {
          expect(Math.abs(probabilities[labels[k]!]! - probability)).toBeLessThan(1e-5);
        }
      }
    },
  );

  it('says in the record and the card where the model is from, and claims nothing', async () => {
    const { record } = await imported('v2-v4', pickle);
    expect(record).toMatchObject({
      imported: {
        bytes: readFileSync(checkpoint('v2-v4.pth')).length,
        labelsFrom: 'the LabelEncoder in texts-4.pkl',
      },
      encoder: { id: ENCODER, layers: 2, hiddenSize: 16 },
    });
    expect(record.imported.sha256).toMatch(/^[0-9a-f]{64}$/);
    expect(JSON.stringify(record.imported)).not.toContain(folder);
    const card = readFileSync(join(out, 'README.md'), 'utf8');
    expect(card).toContain('`v2-v4.pth`');
    expect(card).toContain(record.imported.sha256);
    expect(card).toContain(
      'Stated by the file: epoch 3, val_acc 0.5866, val_f1 0.5. Nothing was measured here.',
    );
    expect(card).not.toContain(ENCODER);
  });

  it("reads nothing of an optimiser's state but its table", async () => {
    const file = checkpoint('v2-v4.pth');
    const reads: [number, number][] = [];
    const read = ByteFile.prototype.read;
    vi.spyOn(ByteFile.prototype, 'read').mockImplementation(function (this: ByteFile, offset, length) {
      reads.push([offset, length]);
      return read.call(this, offset, length);
    });
    const { tensors } = await openCheckpoint(file);
    await imported('v2-v4');
    const bytes = readFileSync(file);
    const weights = new Set(tensors.map(({ offset }) => offset));
    const optimiser = (await storagesOf(bytes)).filter(([offset]) => !weights.has(offset));
    expect(optimiser.length).toBeGreaterThan(60);
    const begin = new Set(optimiser.map(([offset]) => offset));
    expect(reads.filter(([offset]) => begin.has(offset))).toEqual([]);

    for (const [offset, length] of optimiser) bytes.fill(0xff, offset, offset + length);
    const scrambled = join(folder, 'scrambled.pth');
    writeFileSync(scrambled, bytes);
    await imported('v2-v4', { file: scrambled, out: join(folder, 'other') });
    const weightsIn = (model: string) => readFileSync(join(model, 'model.safetensors'));
    expect(weightsIn(join(folder, 'other')).equals(weightsIn(out))).toBe(true);
  });

  it('fetches the config and the vocabulary, and no weights', async () => {
    const hub = await startHub('lab/tiny', ENCODER);
    hub.files.set('vocab.txt', readFileSync(join(ENCODER, 'vocab.txt')));
    hub.files.set('model.safetensors', Buffer.alloc(8));
    hub.files.set('pytorch_model.bin', Buffer.alloc(8));
    vi.stubEnv('HF_ENDPOINT', hub.url);
    vi.stubEnv('HF_HOME', folder);
    for (const name of ['HF_HUB_CACHE', 'HUGGINGFACE_HUB_CACHE', 'HF_HUB_OFFLINE', 'HF_TOKEN']) {
      vi.stubEnv(name, undefined);
    }
    const { record } = await imported('v5-script', { encoder: 'lab/tiny' });
    expect(new Set(hub.asked('GET'))).toEqual(new Set(['config.json', 'vocab.txt', 'tokenizer_config.json']));
    expect(hub.asked('HEAD').filter(name => /model|bin/.test(name))).toEqual([]);
    expect(record.encoder).toMatchObject({ id: 'lab/tiny', revision: hub.commit });
    await hub.close();
  });
});

describe('importCheckpoint refuses', () => {
  const bare: Record<string, Weights> = {};
  beforeAll(async () => {
    for (const name of ['v5-script', 'v2-v4', 'light', 'dual']) {
      bare[name] = weightsOf(await openTensors(checkpoint(`${name}.pth`)));
    }
  });

  /** Imports a layout's weights after a change to them; resolves to how that failed. */
  async function failure(
    name: string,
    change: (weights: Weights) => void,
    options: Partial<ImportCheckpointOptions> = {},
  ): Promise<Error> {
    const weights = new Map(bare[name]!);
    change(weights);
    const file = join(folder, 'changed.pth');
    writeWeights(file, weights);
    return imported(name, { file, ...options }).then(
      () => new Error('it was not refused'),
      error => {
        expect(existsSync(out)).toBe(false);
        expect(readdirSync(folder).filter(entry => entry.startsWith('.'))).toEqual([]);
        return error;
      },
    );
  }

  it.each<[string, string, (weights: Weights) => void, RegExp]>([
    [
      'a head that lacks a tensor',
      'v5-script',
      weights => weights.delete('norm_title.bias'),
      /nearest is that of the V5 script, but it lacks norm_title\.bias$/,
    ],
    [
      'a head with tensors too many',
      'v2-v4',
      weights => weights.set('extra\x1b.weight', filled([2])).set('another', filled([1])),
      /nearest is that of V2 to V4, but it has no place for extra\?\.weight, another$/,
    ],
    [
      'an encoder alone',
      'light',
      weights => {
        for (const name of weights.keys()) if (!name.startsWith('bert.')) weights.delete(name);
      },
      /nearest is that of the light model, but it lacks classifier\.0\.weight, .* and 3 more$/,
    ],
    [
      'a head alone',
      'light',
      weights => {
        for (const name of weights.keys()) if (name.startsWith('bert.')) weights.delete(name);
      },
      /there is no bert\.embeddings\.word_embeddings\.weight/,
    ],
    [
      'a tensor that contradicts another of its head',
      'v2-v4',
      weights => weights.set('fusion.4.weight', filled([10, 11])),
      /tensor "fusion\.4\.weight" is 10 × 11, expected 10 × 12$/,
    ],
    [
      'a last layer of one class',
      'dual',
      weights => weights.set('fusion.8.weight', filled([1, 10])).set('fusion.8.bias', filled([1])),
      /impossible widths: 12, 10, 1$/,
    ],
    [
      'another vocabulary than the config has',
      'v2-v4',
      weights => weights.set('bert.embeddings.word_embeddings.weight', filled([50, 16])),
      /does not fit the config\.json of .*encoder: tensor "bert\.embeddings\.word_embeddings\.weight" is 50 × 16, expected 41 × 16$/,
    ],
    [
      'fewer layers than the config has',
      'v2-v4',
      weights => {
        for (const name of weights.keys()) if (name.includes('layer.1.')) weights.delete(name);
      },
      /does not fit .*: it lacks bert\.encoder\.layer\.1\.attention\.self\.query\.weight, .* and 13 more$/,
    ],
    [
      'more layers than the config has',
      'v2-v4',
      weights => weights.set('bert.encoder.layer.2.output.dense.bias', filled([16])),
      /does not fit .*: there is no place for bert\.encoder\.layer\.2\.output\.dense\.bias$/,
    ],
    [
      'weights that diverged',
      'v2-v4',
      weights => weights.set('fusion.12.bias', filled([4], Number.NaN)),
      /its weights give no finite numbers$/,
    ],
  ])('%s', async (_what, name, change, message) => {
    const options = name === 'dual' ? { classes: ['one'] } : {};
    expect(await failure(name, change, options)).toMatchObject({
      code: 'BAD_MODEL',
      message: expect.stringMatching(message),
    });
  });

  it('a file that does not fit the encoder, and says which encoder it holds', async () => {
    const error = await failure('v2-v4', weights => weights.delete('bert.embeddings.LayerNorm.bias'));
    expect(error).toMatchObject({
      remedy:
        'Name the encoder that it was trained from by --encoder: one of 2 layers of 16, with a vocabulary of 41.',
    });
  });

  it('an encoder with too few positions for its texts', async () => {
    const encoder = join(folder, 'encoder');
    cpSync(ENCODER, encoder, { recursive: true });
    const config = JSON.parse(readFileSync(join(encoder, 'config.json'), 'utf8'));
    writeFileSync(join(encoder, 'config.json'), JSON.stringify({ ...config, max_position_embeddings: 150 }));
    const positions = 'bert.embeddings.position_embeddings.weight';
    const error = await failure('light', weights => weights.set(positions, filled([150, 16])), { encoder });
    expect(error).toMatchObject({
      code: 'BAD_MODEL',
      message: expect.stringContaining('joined length 160 is more than the 150 tokens'),
    });
  });

  it.each<[string, string, Partial<ImportCheckpointOptions>, string, string]>([
    [
      'a number of classes that nothing names',
      'dual',
      {},
      'BAD_OPTION',
      'tells 3 classes apart, and nothing says which',
    ],
    ['a pickle of other classes', 'dual', pickle, 'BAD_MODEL', 'must give 3 different classes, as many as'],
    ['too few names', 'v2-v4', { classes: ['a', 'b'] }, 'BAD_OPTION', 'has; it gives 2'],
    ['equal names', 'dual', { classes: ['a', 'b', 'a'] }, 'BAD_OPTION', 'it gives empty or equal ones'],
    ['an empty name', 'dual', { classes: ['a', '', 'b'] }, 'BAD_OPTION', 'it gives empty or equal ones'],
    ['names and a pickle', 'dual', { ...pickle, ...three }, 'BAD_OPTION', 'not both'],
    ['names that are no list', 'dual', { classes: 'a,b,c' as never }, 'BAD_OPTION', 'a list of strings'],
    ['an option that does not exist', 'dual', { label: 'x' } as never, 'BAD_OPTION', 'no option "label"'],
    [
      'a hostile pickle',
      'v2-v4',
      { labels: checkpoint('labels/hostile.pkl') },
      'BAD_MODEL',
      'asks for posix.system',
    ],
    [
      'a hostile checkpoint',
      '',
      { file: fixture('refused/command.pth') },
      'BAD_MODEL',
      'asks for posix.system',
    ],
    ['a file that is not there', 'absent', {}, 'BAD_MODEL', 'there is no such file'],
    ['a folder', '', { file: ENCODER }, 'BAD_MODEL', 'is not a file'],
    ['an encoder that is not there', 'v2-v4', { encoder: '/absent/folder' }, 'BAD_MODEL', 'no such folder'],
  ])('%s', async (_what, name, options, code, message) => {
    await expect(imported(name, options)).rejects.toMatchObject({
      code,
      message: expect.stringContaining(message),
    });
    expect(readdirSync(folder)).toEqual([]);
    expect(existsSync('pwned')).toBe(false);
  });

  it('to replace a model unless it is told to, and even then one that holds the checkpoint', async () => {
    await imported('v2-v4');
    await expect(imported('light')).rejects.toMatchObject({ code: 'BAD_OPTION' });
    const file = join(out, 'light.pth');
    cpSync(checkpoint('light.pth'), file);
    await expect(imported('light', { file, force: true })).rejects.toMatchObject({
      code: 'BAD_OPTION',
      message: `${file} lies in ${out}, which would be replaced`,
    });
    await expect(imported('light', { force: true })).rejects.toMatchObject({
      code: 'BAD_OPTION',
      message: expect.stringContaining('so it is not replaced: light.pth'),
    });
    rmSync(file);
    expect((await imported('light', { force: true })).record.imported.layout).toBe('light');
  });

  it('to go on after its signal', async () => {
    const signal = AbortSignal.abort();
    const options = { file: checkpoint('light.pth'), out, encoder: ENCODER };
    await expect(importCheckpoint(options, { signal })).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(readdirSync(folder)).toEqual([]);
  });
});

/** Byte ranges of the storages of a zip checkpoint. */
async function storagesOf(bytes: Buffer): Promise<[number, number][]> {
  const zip = await fromBufferPromise(bytes);
  const found: [number, number][] = [];
  for await (const entry of zip.eachEntry()) {
    if (!/\/data\/\d+$/.test(entry.fileName)) continue;
    const { fileDataStart } = await zip.readLocalFileHeaderPromise(entry, { minimal: true });
    found.push([fileDataStart, entry.uncompressedSize]);
  }
  return found;
}
