import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type experimental, Metadata } from '@grpc/grpc-js';
import { openBalancer } from './grpc-pickers';
import type { BenchmarkCase } from './harness';

/** Where the package is kept once it has been fetched: it and what it needs are far too much for a dependency. */
const CACHE = join(__dirname, '..', '.cache', 'xds');
const PACKAGE = '@grpc/grpc-js-xds';
/** The one that goes with the grpc-js of this project. */
const VERSION = '~1.14.0';
const POLICIES = ['weighted-target', 'ring-hash'] as const;
const READY_LIMIT_MS = 60_000;

/** Fetches the package with npm, once. Without its peer, so that it takes this project's grpc-js, as an application's would. */
export function fetchXds(): void {
  if (existsSync(packageFolder())) return;
  mkdirSync(CACHE, { recursive: true });
  const flags = ['--no-save', '--no-package-lock', '--legacy-peer-deps', '--ignore-scripts', '--no-audit', '--no-fund'];
  execFileSync('npm', ['install', '--prefix', CACHE, ...flags, `${PACKAGE}@${VERSION}`], {
    stdio: 'ignore',
    timeout: 120_000,
  });
}

/**
 * One pick by `weighted_target` (two groups, 90 to 10, round_robin in each) and by `ring_hash` of grpc-js-xds, where it has been
 * fetched: their real code, without a control plane. Empty where it has not.
 */
export async function xdsCases(sizes: readonly number[], groupOf: (size: number) => string): Promise<BenchmarkCase[]> {
  if (!existsSync(packageFolder())) return [];
  // All of it, as its users load it: parts of it lean on what others have prepared.
  require(packageFolder());
  for (const policy of POLICIES) {
    const { setup } = require(join(packageFolder(), 'build', 'src', `load-balancer-${policy}.js`)) as {
      setup(): void;
    };
    setup();
  }
  const cases: BenchmarkCase[] = [];
  for (const size of sizes) {
    const group = groupOf(size);
    cases.push({ group, name: 'grpc-js-xds weighted_target', run: pickRunner(await weightedTarget(size), []) });
    cases.push({ group, name: 'grpc-js-xds ring_hash', run: pickRunner(await ringHash(size), HASHES) });
  }
  return cases;
}

function packageFolder(): string {
  return join(CACHE, 'node_modules', ...PACKAGE.split('/'));
}

function weightedTarget(size: number): Promise<experimental.Picker> {
  const target = (weight: number): object => ({ weight, child_policy: [{ round_robin: {} }] });
  const targets = { stable: target(90), canary: target(10) };
  const describe = (index: number): object => ({
    localityPath: [index % 10 === 0 ? 'canary' : 'stable'],
    locality: { region: '', zone: '', sub_zone: '' },
    localityWeight: 1,
    endpointWeight: 1,
  });
  return pickerOf(openBalancer({ config: { weighted_target: { targets } }, describe }, size));
}

function ringHash(size: number): Promise<experimental.Picker> {
  return pickerOf(openBalancer({ config: { ring_hash: {} } }, size));
}

/** ring_hash has none until it has loaded its hash function and laid out its ring. */
async function pickerOf(read: () => experimental.Picker | undefined): Promise<experimental.Picker> {
  const until = performance.now() + READY_LIMIT_MS;
  for (;;) {
    const picker = read();
    if (picker !== undefined) return picker;
    if (performance.now() > until) throw new Error('a balancer of grpc-js-xds gave no picker');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** As xds hands them over: 64 bits, as text. Made in advance, since they are the call's. */
const HASHES: readonly string[] = Array.from({ length: 1_024 }, (_, index) =>
  String(BigInt.asUintN(64, BigInt(index + 1) * 0x9e3779b97f4a7c15n)),
);

function pickRunner(picker: experimental.Picker, hashes: readonly string[]): (count: number) => unknown {
  const info: Record<string, string> = {};
  const args = { metadata: new Metadata(), extraPickInfo: info };
  return (count) => {
    let last: unknown;
    for (let index = 0; index < count; index += 1) {
      if (hashes.length > 0) info['hash'] = hashes[index & 1_023] as string;
      last = picker.pick(args);
    }
    return last;
  };
}
