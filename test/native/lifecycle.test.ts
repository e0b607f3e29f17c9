import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { loadEngine, waitingOf } from '../../src/engine.js';
import { tinyBatch, tinyModel } from './tiny-model.js';

const addon = loadEngine();
const engine = new URL('../../dist/engine.js', import.meta.url).href;

/** A program that keeps the engine busy: a good part of a second a step. */
const busy = (() => {
  const options = tinyModel();
  options.encoder = { ...options.encoder, hiddenSize: 256, intermediateSize: 1024, layers: 4 };
  const { ids, offsets, labels } = tinyBatch(64);
  return `
    import { loadEngine } from '${engine}';
    const addon = loadEngine();
    const batch = {
      ids: Int32Array.of(${ids}), offsets: Int32Array.of(${offsets}), labels: Int32Array.of(${labels}),
      microBatch: 64, learningRateScale: 1,
    };
    const model = await addon.createModel(${JSON.stringify(options)});
    await model.predict({ ids: batch.ids.subarray(0, batch.offsets[2]), offsets: batch.offsets.subarray(0, 3) });
  `;
})();

function run(program: string) {
  return spawnSync(process.execPath, ['--input-type=module', '-e', program], {
    encoding: 'utf8',
    timeout: 60_000,
  });
}

describe('waiting threads', () => {
  it('sleep after a moment, unless the environment says how they wait', () => {
    expect(waitingOf({ PATH: '/bin' })).toEqual({ OMP_WAIT_POLICY: 'PASSIVE', GOMP_SPINCOUNT: '1000' });
    expect(waitingOf({ OMP_WAIT_POLICY: 'ACTIVE' })).toEqual({});
    expect(waitingOf({ GOMP_SPINCOUNT: '0' })).toEqual({});
  });

  it('are told so in the environment of the process itself', () => {
    const child = spawnSync(
      process.execPath,
      ['--input-type=module', '-e', `${busy} console.log(process.env.GOMP_SPINCOUNT);`],
      { encoding: 'utf8', timeout: 60_000, env: { ...process.env, OMP_WAIT_POLICY: '', GOMP_SPINCOUNT: '' } },
    );
    expect(child).toMatchObject({ status: 0, stdout: '1000\n' });
  });
});

it('refuses a working folder that is gone, in which LibTorch would abort', () => {
  const bin = fileURLToPath(new URL('../../bin/arxiv-native.js', import.meta.url));
  const predict = `cd "$(mktemp -d)" && rmdir "$PWD" && exec "$0" "$1" predict --title a --abstract b`;
  const settings = { encoding: 'utf8', timeout: 60_000 } as const;
  const child = spawnSync('/bin/sh', ['-c', predict, process.execPath, bin], settings);
  expect(child).toMatchObject({ status: 1, stderr: expect.stringContaining('runs in is gone') });

  const goesLater = run(`
    import { mkdtempSync, rmdirSync } from 'node:fs';
    import { tmpdir } from 'node:os';
    const { loadEngine } = await import('${engine}');
    process.chdir(mkdtempSync(tmpdir() + '/'));
    rmdirSync(process.cwd());
    try { loadEngine(); } catch (error) { console.log(error.code); }`);
  expect(goesLater).toMatchObject({ status: 0, stdout: 'IO\n' });
});

describe('the end of a process', () => {
  it.each([0, 1, 20, 100, 300])('process.exit %i ms into a training step is clean', delay => {
    const child = run(`${busy}
      setTimeout(() => process.exit(3), ${delay});
      for (;;) await model.trainStep(batch);`);
    expect(child).toMatchObject({ status: 3, signal: null, stderr: '' });
  });

  it('process.exit does not wait for the end of a long step', () => {
    const child = run(`${busy}
      const long = { ...batch, ids: [], offsets: [0], labels: [] };
      for (let i = 0; i < 40; i++) {
        long.ids.push(...batch.ids);
        long.labels.push(...batch.labels);
        long.offsets.push(...[...batch.offsets.subarray(1)].map(offset => offset + i * batch.ids.length));
      }
      for (const key of ['ids', 'offsets', 'labels']) long[key] = Int32Array.from(long[key]);
      const began = performance.now();
      await model.trainStep(batch);
      const step = performance.now() - began;
      setTimeout(() => {
        const left = performance.now();
        addon.shutdown();
        // The whole would take 40 steps; a layer of one batch is a small part of one.
        console.log((performance.now() - left) / step < 5);
        process.exit();
      }, 50);
      model.trainStep(long).catch(() => {});`);
    expect(child).toMatchObject({ status: 0, stdout: 'true\n' });
  });

  it('shutdown rejects what waits, so that the process can end', () => {
    const child = run(`${busy}
      const waiting = [model.trainStep(batch), model.predict(batch)];
      addon.shutdown();
      const outcomes = await Promise.allSettled(waiting);
      console.log(outcomes.map(({ reason }) => reason.code).join());
      await model.predict(batch).catch(error => console.log(error.code));`);
    expect(child).toMatchObject({ status: 0, stdout: 'CANCELLED,CANCELLED\nCANCELLED\n', stderr: '' });
  });

  it('an exception during a training step ends with its own message', () => {
    const child = run(`${busy}
      setTimeout(() => { throw new Error('ours') }, 50);
      for (;;) await model.trainStep(batch);`);
    expect(child).toMatchObject({ status: 1, signal: null });
    expect(child.stderr).toContain('Error: ours');
  });

  it('waits for a promise that is still out, and for nothing else', () => {
    const child = run(`${busy} model.predict(batch).then(logits => console.log(logits.length));`);
    expect(child).toMatchObject({ status: 0, stdout: '256\n', stderr: '' });
    expect(run(busy)).toMatchObject({ status: 0, stderr: '' });
  });

  it('a worker terminated while it trains leaves the main thread and its model alone', () => {
    const child = run(`
      import { Worker, isMainThread } from 'node:worker_threads';
      ${busy}
      const worker = new Worker(${JSON.stringify(`${busy}
        import { parentPort } from 'node:worker_threads';
        parentPort.postMessage('training');
        for (;;) await model.trainStep(batch);`)}, { eval: true });
      await new Promise(resolve => worker.once('message', resolve));
      const mine = model.predict(batch);
      setTimeout(() => worker.terminate().then(async () => {
        await mine;
        console.log((await model.predict(batch)).length);
      }), 30);`);
    expect(child).toMatchObject({ status: 0, signal: null, stdout: '256\n' });
  });

  it('workers terminated while answers arrive leave the process alone', () => {
    const worker = `${busy}
      import { parentPort } from 'node:worker_threads';
      const small = { ids: batch.ids.subarray(0, batch.offsets[2]), offsets: batch.offsets.subarray(0, 3) };
      const spin = () => model.predict(small).then(spin, spin);
      const fail = () => model.predict({ ...small, offsets: batch.offsets.subarray(0, 2) }).then(fail, fail);
      for (let i = 0; i < 10; i++) { spin(); fail(); }
      parentPort.postMessage('busy');`;
    const child = run(`
      import { Worker } from 'node:worker_threads';
      import { loadEngine } from '${engine}';
      loadEngine();
      for (let i = 0; i < 15; i++) {
        const worker = new Worker(${JSON.stringify(worker)}, { eval: true });
        await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
        await new Promise(resolve => setTimeout(resolve, i));
        await worker.terminate();
      }
      console.log('alive');`);
    expect(child).toMatchObject({ status: 0, signal: null, stdout: 'alive\n' });
  });
});

describe('jobs', () => {
  it('can be cancelled while they run and while they wait, and leave no trace', async () => {
    const options = tinyModel();
    options.encoder = { ...options.encoder, layers: 12, hiddenSize: 128 };
    const [model, untouched] = [await addon.createModel(options), await addon.createModel(options)];
    const long = { ...tinyBatch(600), microBatch: 8 };
    const cancel = new Uint8Array(1);
    const jobs = [model.trainStep(long, cancel), model.trainStep(long, cancel)];
    setTimeout(() => {
      cancel[0] = 1;
    }, 50);
    for (const job of jobs) await expect(job).rejects.toMatchObject({ code: 'CANCELLED' });
    await expect(model.trainStep({ ...long, labels: long.labels.map(() => 9) })).rejects.toThrow('label 9');
    // Dropout's masks would differ if a step that was cancelled or refused counted.
    const name = 'encoder.layer.11.output.dense.weight';
    for (const each of [model, untouched]) await each.trainStep(tinyBatch(4));
    expect(await model.read('weight', name)).toEqual(await untouched.read('weight', name));
    model.dispose();
    untouched.dispose();
  });

  it('of one model run in the order of their submission, predictions between training steps', async () => {
    const model = await addon.createModel(tinyModel());
    const batch = tinyBatch(4);
    const order: string[] = [];
    const note = (name: string) => () => order.push(name);
    await Promise.all([
      model.predict(batch).then(note('before')),
      model.trainStep(batch).then(note('step')),
      model.predict(batch).then(note('after')),
    ]);
    expect(order).toEqual(['before', 'step', 'after']);
    model.dispose();
  });

  it('under way survive dispose; later ones are refused', async () => {
    const model = await addon.createModel(tinyModel());
    const running = model.predict(tinyBatch(2));
    model.dispose();
    model.dispose();
    expect(await running).toHaveLength(8);
    await expect(model.predict(tinyBatch(2))).rejects.toMatchObject({ code: 'CANCELLED' });
  });
});

describe('memory that runs out', () => {
  const canLimit = spawnSync('prlimit', ['--version']).status === 0;

  it.skipIf(!canLimit)('has its own code, also inside oneDNN, and is made good', () => {
    const child = run(`${busy}
      import { execFileSync } from 'node:child_process';
      import { readFileSync } from 'node:fs';
      const limit = bytes => execFileSync('prlimit', ['--pid', process.pid, '--as=' + bytes + ':']);
      const attempt = papers => {
        const offsets = batch.offsets.subarray(0, 2 * papers + 1);
        const part = { offsets, ids: batch.ids.subarray(0, offsets.at(-1)), labels: batch.labels.subarray(0, papers) };
        return model.trainStep({ ...batch, ...part, microBatch: papers }).then(() => 'done', error => error.code);
      };
      await attempt(1);
      const kibibytes = /VmSize:\\s+(\\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1];
      limit(1024 * kibibytes + 4e6);
      const said = [];
      for (const papers of [64, 48, 32, 24]) said.push(await attempt(papers));
      limit('unlimited');
      said.push(await attempt(64));
      console.log(said.join());`);
    expect(child).toMatchObject({ status: 0, stderr: '' });
    expect(child.stdout).toBe(`${'OUT_OF_MEMORY,'.repeat(4)}done\n`);
  });
});
