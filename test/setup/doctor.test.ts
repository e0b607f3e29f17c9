import { join } from 'node:path';
import { expect, it } from 'vitest';
import { examine, formatReport } from '../../src/setup/doctor.js';
import { bareMachine, fakeLibtorch, temporaryFolder, writeProgram, writeTree } from './fakes.js';

it.each(['HF_HUB_CACHE', 'HUGGINGFACE_HUB_CACHE'])('takes the Hub’s cache from %s', async name => {
  const folder = temporaryFolder();
  writeTree(folder, { 'models--a--b/blobs/x': Buffer.alloc(1000) });
  const { hubCache } = await examine(bareMachine({ [name]: folder }).env);
  expect(hubCache).toMatchObject({ path: folder, bytes: 1000 });
});

it('reports what was found where, and why a LibTorch is passed over', async () => {
  const machine = bareMachine({ LIBTORCH: fakeLibtorch(temporaryFolder(), { version: '2.4.0' }) });
  const cached = fakeLibtorch(join(machine.cache, 'libtorch', '2.13.0-cpu', 'torch'));
  writeTree(join(machine.env.HOME!, '.cache', 'huggingface', 'hub'), {
    'models--a--b/blobs/x': Buffer.alloc(2_000_000),
  });
  writeProgram(join(machine.bin, 'c++'), 'echo "c++ (Fake) 14.2"');

  const report = await examine(machine.env);
  expect(report.platform).toMatchObject({
    os: process.platform,
    node: process.versions.node,
    problem: undefined,
  });
  expect(report.tools).toContainEqual({
    name: 'C++ compiler',
    path: join(machine.bin, 'c++'),
    version: 'c++ (Fake) 14.2',
  });
  expect(report.tools).toContainEqual({ name: 'cmake', path: undefined, version: undefined });
  expect(report.libtorch.slice(0, 2)).toMatchObject([
    { place: 'LIBTORCH', reason: expect.stringContaining('2.4.0 is too old') },
    { place: 'cache', libtorch: { folder: cached, version: '2.13.0', variant: 'cpu' } },
  ]);
  expect(report.cache.entries.map(({ name }) => name)).toEqual(['libtorch/2.13.0-cpu']);
  expect(report.cache.bytes).toBeGreaterThan(10_000);
  expect(report.hubCache).toMatchObject({ bytes: 2_000_000 });
  // A LIBTORCH that setup refuses is nothing to be ready with.
  expect(report.libtorchProblem?.message).toMatch(/^LIBTORCH=.* cannot be used: version 2\.4\.0 is too old/);
  expect(report.usable).toBe(false);
  // The addon loaded exactly if it told its devices.
  expect(report.devices.length > 0).toBe(report.addon.problem === undefined);

  const text = formatReport(report);
  expect(text).toContain('cmake: not found');
  expect(text).toMatch(/LIBTORCH: .*: passed over: version 2\.4\.0 is too old/);
  expect(text).toMatch(/cache: .*: fit: 2\.13\.0 \(cpu\)/);
  expect(text).toContain('remedy: Point LIBTORCH at the folder');
  expect(text).toMatch(/Not usable yet\.$/);
  const { usable, addon, libtorchProblem } = await examine(bareMachine().env);
  expect(libtorchProblem).toBeUndefined();
  expect(usable).toBe(addon.problem === undefined);
});
