import { PYTORCH } from '../util/hosts.js';
import { LIBTORCH_VERSION } from './libtorch.js';
import type { Environment } from './paths.js';
import { findProgram } from './paths.js';
import type { PlatformFacts } from './platform.js';
import { run } from './run.js';

/**
 * The CUDA builds of LIBTORCH_VERSION, newest first, with the oldest driver and the compute capabilities each runs on
 * (PyTorch's RELEASE.md). Beyond Hopper and before Turing only one of the two will do.
 */
const CUDA_BUILDS = [
  { variant: 'cu130', driver: [580, 0], capability: [7.5, 12.9] },
  { variant: 'cu126', driver: [525, 60], capability: [5.0, 9.0] },
] as const;

/** `cu130`, `cu126` or `cpu`: the fastest variant that the driver and every GPU of this machine can run. */
export async function driverVariant(env: Environment, { platform, arch }: PlatformFacts): Promise<string> {
  if (platform !== 'linux' || arch !== 'x64') return 'cpu';
  const nvidiaSmi = findProgram('nvidia-smi', env);
  if (nvidiaSmi === undefined) return 'cpu';
  const query = ['--query-gpu=driver_version,compute_cap', '--format=csv,noheader'];
  const child = await run(nvidiaSmi, query, { env, timeout: 30_000 });
  const gpus = child.stdout.split('\n').filter(line => /^\d/.test(line));
  if (!child.ok || gpus.length === 0) return 'cpu';
  const fits = CUDA_BUILDS.find(({ driver, capability: [lowest, highest] }) =>
    gpus.every(line => {
      const [version = '', capability = ''] = line.split(',');
      const [major = 0, minor = 0] = version.split('.').map(Number);
      const isNewEnough = major > driver[0] || (major === driver[0] && minor >= driver[1]);
      return isNewEnough && Number(capability) >= lowest && Number(capability) <= highest;
    }),
  );
  return fits?.variant ?? 'cpu';
}

export interface Archive {
  url: string;
  /** Its name on disk while it is being downloaded. */
  file: string;
  variant: string;
}

/** Where PyTorch publishes that variant for this machine. Linux on arm64 has no archive, only the wheel that holds the same. */
export function archiveFor(variant: string, { platform, arch }: PlatformFacts): Archive {
  const named = (folder: string, file: string): Archive => ({
    url: `${PYTORCH}/${folder}/${encodeURIComponent(file)}`,
    file,
    variant,
  });
  if (platform === 'darwin') return named('libtorch/cpu', `libtorch-macos-arm64-${LIBTORCH_VERSION}.zip`);
  if (arch === 'arm64') {
    return named('whl/cpu', `torch-${LIBTORCH_VERSION}+cpu-cp311-cp311-manylinux_2_28_aarch64.whl`);
  }
  return named(`libtorch/${variant}`, `libtorch-shared-with-deps-${LIBTORCH_VERSION}+${variant}.zip`);
}
