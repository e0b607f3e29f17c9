import { ArxivNativeError } from '../errors.js';

/** What decides whether this machine can run the engine at all. */
export interface PlatformFacts {
  platform: string;
  arch: string;
  /** Without the leading v. */
  node: string;
  /** Linux with musl in place of glibc, as on Alpine. */
  musl: boolean;
}

export function platformFacts(): PlatformFacts {
  const { platform, arch } = process;
  return { platform, arch, node: process.versions.node, musl: platform === 'linux' && !hasGlibc() };
}

function hasGlibc(): boolean {
  const report = process.report.getReport() as { header: { glibcVersionRuntime?: string } };
  return report.header.glibcVersionRuntime !== undefined;
}

/** @throws ArxivNativeError UNSUPPORTED, one sentence, where LibTorch or Node cannot be had for this machine. */
export function requireSupportedPlatform({ platform, arch, node, musl }: PlatformFacts): void {
  const refuse = (message: string, remedy: string) => {
    throw new ArxivNativeError('UNSUPPORTED', message, { remedy });
  };
  if (platform === 'win32') {
    refuse('Windows is not supported: the engine is built for Linux and macOS.', 'Run it inside WSL 2.');
  }
  if (platform !== 'linux' && platform !== 'darwin') {
    refuse(
      `${platform} is not supported: the engine is built for Linux and macOS.`,
      'Run it on one of these.',
    );
  }
  if (musl) {
    refuse(
      'Linux with musl (Alpine) is not supported: PyTorch publishes LibTorch for glibc only.',
      'Use a glibc distribution, such as the image node:22-bookworm in place of node:22-alpine.',
    );
  }
  if (platform === 'darwin' && arch === 'x64') {
    refuse(
      'Intel Macs (or an x64 Node on Apple silicon) are not supported: PyTorch publishes no LibTorch for them since 2.3.',
      'On Apple silicon install the arm64 build of Node.',
    );
  }
  if (arch !== 'x64' && arch !== 'arm64') {
    refuse(
      `The processor ${arch} is not supported: LibTorch exists for x64 and arm64.`,
      'Run it on one of these.',
    );
  }
  if (!isSupportedNode(node)) {
    refuse(`Node ${node} is not supported: 20.19, 22.12, 24 or newer is needed.`, 'Install Node 22 or 24.');
  }
}

function isSupportedNode(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major >= 24 || (major === 22 && minor >= 12) || (major === 20 && minor >= 19);
}
