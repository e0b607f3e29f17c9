import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { loadEngine } from '../../src/engine.js';
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

describe('the end of a process', () => {
  it.each([0, 1, 20, 100, 300])('process.exit %i ms into a training step is clean', delay => {
    const child = run(`${busy}
      setTimeout(() => process.exit(3), ${delay});
      for (;;) await model.trainStep(batch);`);
    expect(child).toMatchObject({ status: 3, signal: null, stderr: '' });
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
});

describe('jobs', () => {
  it('can be cancelled while they wait and while they run', async () => {
    const model = await addon.createModel(tinyModel());
    const batch = tinyBatch(64);
    const flags = [new Uint8Array(1), new Uint8Array(1)];
    const jobs = flags.map(flag => model.trainStep(batch, flag));
    for (const flag of flags) flag[0] = 1;
    for (const job of jobs) await expect(job).rejects.toMatchObject({ code: 'CANCELLED' });
    // What the cancelled step left behind does not reach the next one.
    const untouched = await addon.createModel(tinyModel());
    expect(await model.predict(batch)).toEqual(await untouched.predict(batch));
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
