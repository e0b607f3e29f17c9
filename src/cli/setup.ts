import type { Command } from 'commander';
import { interruptible } from './interrupt.js';

interface SetupFlags {
  libtorch?: string;
  force?: boolean;
  json?: boolean;
}

const EXAMPLES = `
Examples:
  $ arxiv-native setup                            find or fetch LibTorch, and build the engine against it
  $ arxiv-native setup --libtorch /opt/libtorch   build against that one
  $ arxiv-native setup --force                    build anew

LibTorch is looked for in LIBTORCH, in the cache (ARXIV_NATIVE_CACHE), in a Python that has torch, as a CPU wheel that
pip can see, and at last in PyTorch's own archive. Downloads go through HTTPS_PROXY and are continued when cut.`;

export function register(program: Command): void {
  program
    .command('setup')
    .description('get LibTorch and build the engine; done in a moment where nothing changed')
    .option('--libtorch <folder>', 'the LibTorch to use: the folder with include/ and lib/')
    .option('--force', 'build even if nothing changed')
    .option('--json', 'one JSON document on standard output and nothing else there')
    .addHelpText('after', EXAMPLES)
    .action((flags: SetupFlags) => interruptible(signal => runSetup(flags, signal)));
}

async function runSetup({ libtorch, force, json }: SetupFlags, signal: AbortSignal): Promise<void> {
  const { setup } = await import('../setup/setup.js');
  const { Stages } = await import('../util/progress.js');
  const stages = new Stages();
  const log = (line: string) => stages.note(line);
  const result = await setup({
    libtorch,
    force,
    signal,
    log,
    onProgress: ({ file, received, total }) => stages.show(file, 'bytes', received, total),
    onBuildProgress: ({ done, total }) => stages.show('building', 'steps', done, total),
  }).finally(() => stages.stop());
  const { version, variant, folder } = result.libtorch;
  log(`${result.built ? 'Built' : 'Up to date'}: LibTorch ${version} (${variant}) in ${folder}`);
  if (json) process.stdout.write(`${JSON.stringify(result)}\n`);
}
