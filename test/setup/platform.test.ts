import { describe, expect, it } from 'vitest';
import { archiveFor, driverVariant } from '../../src/setup/archive.js';
import { type PlatformFacts, platformFacts, requireSupportedPlatform } from '../../src/setup/platform.js';
import { bareMachine, writeProgram } from './fakes.js';

const linux: PlatformFacts = { platform: 'linux', arch: 'x64', node: '22.12.0', musl: false };
const mac: PlatformFacts = { platform: 'darwin', arch: 'arm64', node: '24.1.0', musl: false };

describe('requireSupportedPlatform', () => {
  it.each([
    ['Windows', { ...linux, platform: 'win32' }],
    ['freebsd', { ...linux, platform: 'freebsd' }],
    ['Alpine', { ...linux, musl: true }],
    ['Intel Macs', { ...mac, arch: 'x64' }],
    ['riscv64', { ...linux, arch: 'riscv64' }],
    ['Node 18.20.0', { ...linux, node: '18.20.0' }],
    ['Node 20.18.9', { ...linux, node: '20.18.9' }],
    ['Node 21.7.0', { ...linux, node: '21.7.0' }],
    ['Node 22.11.0', { ...linux, node: '22.11.0' }],
    ['Node 23.9.0', { ...linux, node: '23.9.0' }],
  ])('refuses %s in one sentence with a remedy', (name, facts) => {
    const check = () => requireSupportedPlatform(facts);
    expect(check).toThrow(expect.objectContaining({ code: 'UNSUPPORTED', remedy: expect.any(String) }));
    expect(check).toThrow(name);
    expect(check).toThrow(/^[^\n]+$/);
  });

  it.each([
    linux,
    mac,
    { ...linux, arch: 'arm64' },
    { ...linux, node: '20.19.0' },
    { ...linux, node: '24.0.0' },
    { ...linux, node: '26.0.0' },
    platformFacts(),
  ])('takes $platform $arch Node $node', facts => {
    expect(() => requireSupportedPlatform(facts)).not.toThrow();
  });
});

describe('archives', () => {
  it('are named as PyTorch names them', () => {
    const address = (variant: string, facts: PlatformFacts) =>
      new URL(archiveFor(variant, facts).url).pathname;
    expect(address('cpu', linux)).toBe('/libtorch/cpu/libtorch-shared-with-deps-2.13.0%2Bcpu.zip');
    expect(address('cu130', linux)).toBe('/libtorch/cu130/libtorch-shared-with-deps-2.13.0%2Bcu130.zip');
    expect(address('cpu', mac)).toBe('/libtorch/cpu/libtorch-macos-arm64-2.13.0.zip');
    expect(address('cpu', { ...linux, arch: 'arm64' })).toBe(
      '/whl/cpu/torch-2.13.0%2Bcpu-cp311-cp311-manylinux_2_28_aarch64.whl',
    );
  });

  it.each([
    ['590.48.01, 9.0', 'cu130'],
    ['580.65.06, 7.5', 'cu130'],
    ['580.65.06, 7.0', 'cu126'],
    ['570.12.03, 8.0', 'cu126'],
    ['570.12.03, 12.0', 'cpu'],
    ['525.105.17, 8.0', 'cu126'],
    ['525.60.13, 8.0', 'cu126'],
    ['525.53, 8.0', 'cpu'],
    ['470.82.01, 8.0', 'cpu'],
    ['590.48.01, 9.0\n590.48.01, 6.1', 'cu126'],
    ['NVIDIA-SMI has failed', 'cpu'],
  ])('match the driver and every GPU: %j → %s', async (answer, variant) => {
    const machine = bareMachine();
    writeProgram(`${machine.bin}/nvidia-smi`, `printf '%s\\n' '${answer}'`);
    expect(await driverVariant(machine.env, linux)).toBe(variant);
    expect(await driverVariant(machine.env, mac)).toBe('cpu');
  });

  it('are the CPU’s without a driver', async () => {
    expect(await driverVariant(bareMachine().env, linux)).toBe('cpu');
  });
});
