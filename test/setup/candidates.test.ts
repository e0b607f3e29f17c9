import { mkdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  type Candidate,
  findLocalLibtorch,
  localCandidates,
  type Surroundings,
} from '../../src/setup/candidates.js';
import { obtainLibtorch, setup } from '../../src/setup/setup.js';
import { bareMachine, fakeLibtorch, temporaryFolder, writeProgram } from './fakes.js';

async function all(around: Surroundings): Promise<Candidate[]> {
  const candidates: Candidate[] = [];
  for await (const candidate of localCandidates({ ...around, system: '/nowhere' }))
    candidates.push(candidate);
  return candidates;
}

/** Answers what it is asked for torch's folder, as the real one does. */
function fakePython(path: string, torch: string): void {
  writeProgram(path, `echo '${torch}'`);
}

describe('the search on this machine', () => {
  it('goes from LIBTORCH over the cache to a Python with torch', async () => {
    const libtorch = fakeLibtorch(temporaryFolder());
    const machine = bareMachine({ LIBTORCH: libtorch });
    const cached = fakeLibtorch(join(machine.cache, 'libtorch', '2.13.0-cpu', 'torch'));
    const torch = fakeLibtorch(temporaryFolder(), { version: '2.8.0' });
    fakePython(join(machine.bin, 'python3'), torch);
    const found = (await all(machine)).map(({ place, libtorch }) => [place, libtorch?.folder]);
    expect(found).toEqual([
      ['LIBTORCH', libtorch],
      ['cache', cached],
      ['Python', torch],
    ]);
    expect((await findLocalLibtorch(machine)).found?.folder).toBe(libtorch);
    const { LIBTORCH: _, ...env } = machine.env;
    expect((await findLocalLibtorch({ ...machine, env })).found?.folder).toBe(cached);
  });

  it('passes over an unfit one by name and takes the next', async () => {
    const machine = bareMachine();
    fakeLibtorch(join(machine.cache, 'libtorch', '2.13.0-cpu', 'torch'), { version: '1.13.0' });
    const torch = fakeLibtorch(temporaryFolder());
    fakePython(join(machine.bin, 'python3'), torch);
    const { found, looked } = await findLocalLibtorch(machine);
    expect(found?.folder).toBe(torch);
    expect(looked.find(({ place }) => place === 'cache')?.reason).toContain('1.13.0 is too old');
  });

  it('asks the active environment’s Python first, and reports one torch once', async () => {
    const active = temporaryFolder();
    const machine = bareMachine({ VIRTUAL_ENV: active });
    const [own, other] = [fakeLibtorch(temporaryFolder()), fakeLibtorch(temporaryFolder())];
    fakePython(join(active, 'bin', 'python'), own);
    fakePython(join(machine.bin, 'python3'), other);
    fakePython(join(machine.bin, 'python'), other);
    const pythons = (await all(machine)).filter(({ place }) => place === 'Python');
    expect(pythons.map(({ libtorch }) => libtorch?.folder)).toEqual([own, other]);
  });

  it('makes an unfit LIBTORCH an error, even if another would fit', async () => {
    const machine = bareMachine({ LIBTORCH: fakeLibtorch(temporaryFolder(), { version: '2.0.0' }) });
    fakeLibtorch(join(machine.cache, 'libtorch', '2.13.0-cpu', 'torch'));
    await expect(findLocalLibtorch(machine)).rejects.toMatchObject({
      code: 'LIBTORCH',
      message: expect.stringContaining('2.0.0 is too old'),
      remedy: expect.stringContaining('unset'),
    });
  });

  it('names the option where that is what chose it', async () => {
    const attempt = setup({ libtorch: '/nowhere', mayFetch: false, log: () => {} });
    await expect(attempt).rejects.toMatchObject({
      code: 'LIBTORCH',
      message: '--libtorch /nowhere cannot be used: there is no such folder',
      remedy: expect.stringMatching(/^Point --libtorch at .*, or leave it out\.$/),
    });
  });

  it('takes a LIBTORCH that is relative for what it is from here', async () => {
    const libtorch = fakeLibtorch(temporaryFolder());
    const machine = bareMachine({ LIBTORCH: relative(process.cwd(), libtorch) });
    expect((await findLocalLibtorch(machine)).found?.folder).toBe(libtorch);
  });

  it('takes no notice of a half-filled cache', async () => {
    const machine = bareMachine();
    fakeLibtorch(join(machine.cache, 'libtorch', '2.13.0-cpu.partial', 'torch'));
    mkdirSync(join(machine.cache, 'libtorch', '2.13.0-cpu', 'torch', 'lib'), { recursive: true });
    const { found, looked } = await findLocalLibtorch(machine);
    expect(found).toBeUndefined();
    expect(looked.find(({ place }) => place === 'cache')?.reason).toContain('no include/');
  });

  it.runIf(process.platform === 'linux').each([
    ['1.13.0', 'too old'],
    ['2.6.0', 'lacks the fast kernels'],
  ])('names the distribution’s own, %s, and passes it over: %s', async (version, reason) => {
    const machine = { ...bareMachine(), system: fakeLibtorch(temporaryFolder(), { version }) };
    const { found, looked } = await findLocalLibtorch(machine);
    expect(found).toBeUndefined();
    expect(looked.at(-1)).toMatchObject({ place: 'system', reason: expect.stringContaining(reason) });
  });

  it.runIf(process.platform === 'linux' && process.arch === 'x64')(
    'prefers the cached variant that the GPU’s driver runs',
    async () => {
      const machine = bareMachine();
      writeProgram(join(machine.bin, 'nvidia-smi'), "echo '590.48.01, 9.0'");
      fakeLibtorch(join(machine.cache, 'libtorch', '2.13.0-cpu', 'torch'));
      expect((await findLocalLibtorch(machine)).found?.variant).toBe('cpu');
      fakeLibtorch(join(machine.cache, 'libtorch', '2.13.0-cu130', 'libtorch'), { variant: 'cu130' });
      expect((await findLocalLibtorch(machine)).found?.variant).toBe('cu130');
    },
  );
});

it('lists every place it looked at, and a command, when nothing fits', async () => {
  const machine = bareMachine();
  const pythonPath = join(machine.bin, 'python3');
  writeProgram(pythonPath, 'echo "ERROR: No matching distribution found for torch" >&2; exit 1');
  const error = await obtainLibtorch(machine, true, { log: () => {} }, [
    { url: 'http://127.0.0.1:1/libtorch.zip', file: 'libtorch.zip', variant: 'cpu' },
  ]).catch(error => error);
  expect(error.code).toBe('LIBTORCH');
  for (const place of [
    'LIBTORCH: the environment variable: it is not set',
    join(machine.cache, 'libtorch', '2.13.0-cpu'),
    `Python: ${pythonPath}: it has no torch`,
    `pip: ${pythonPath} -m pip download --no-deps torch==2.13.0`,
    'No matching distribution found for torch',
    'PyTorch: http://127.0.0.1:1/libtorch.zip',
  ]) {
    expect(error.message).toContain(place);
  }
  expect(error.remedy).toMatch(/^curl .* && unzip .* && npx arxiv-native setup --libtorch /);
});

it('names the command that fetches where it may not fetch itself', async () => {
  const attempt = obtainLibtorch(bareMachine(), false, { log: () => {} });
  await expect(attempt).rejects.toMatchObject({ code: 'LIBTORCH', remedy: 'npx arxiv-native setup' });
});
