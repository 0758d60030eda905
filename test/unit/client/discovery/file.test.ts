import { mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../../src/base/clock';
import type { SourceState } from '../../../../src/base/instances';
import { createFileSource } from '../../../../src/client/discovery/file';
import type { Source } from '../../../../src/client/discovery/source';
import { record, recordingLogger } from './consul/recorder';

let folder: string;
let source: Source;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'graylane-file-'));
});
afterEach(async () => {
  source.close();
  await rm(folder, { recursive: true, force: true });
});

const ports = (state: SourceState): readonly number[] =>
  state.datacenters.flatMap((one) => one.instances.map((it) => it.port));
const isPort =
  (port: number) =>
  (state: SourceState): boolean =>
    ports(state)[0] === port;

describe('file source', () => {
  it('follows a YAML file through writes and atomic renames; bad content keeps the last good and says so', async () => {
    const path = join(folder, 'instances.yaml');
    await writeFile(path, 'pay:\n  - { address: 10.0.0.1, port: 1, tags: [stable] }\n');
    const logger = recordingLogger();
    source = createFileSource(path, { logger, clock: systemClock });
    const seen = record(source, 'pay');
    await seen.until(isPort(1));
    await writeFile(path, 'pay:\n  - { address: 10.0.0.1, port: 2 }\n');
    await seen.until(isPort(2));
    await writeFile(join(folder, 'next'), 'pay: [{ address: 10.0.0.1, port: 3 }]');
    await rename(join(folder, 'next'), path);
    await seen.until(isPort(3));
    await writeFile(path, 'pay: [{ address: 10.0.0.1, port: 0 }]');
    await seen.until((state) => state.datacenters[0]?.freshness.kind === 'stale');
    expect(ports(seen.last())).toEqual([3]);
    expect(JSON.stringify(seen.dc('local').freshness)).toContain('instances.pay[0].port: 0 (expected: 1..65535)');
    expect(logger.lines.some((line) => line.includes('instances.pay[0].port'))).toBe(true);
    await rm(path);
    await seen.until((state) => JSON.stringify(state.datacenters[0]?.freshness).includes('ENOENT'));
    expect(ports(seen.last())).toEqual([3]);
    await writeFile(path, 'pay: [{ address: 10.0.0.1, port: 4 }]');
    await seen.until((state) => isPort(4)(state) && state.datacenters[0]?.freshness.kind === 'fresh');
  });

  it('reads JSON, through a symbolic link that is swapped', async () => {
    const path = join(folder, 'instances.json');
    await writeFile(join(folder, 'a'), JSON.stringify({ pay: [{ address: 'h', port: 1 }] }));
    await writeFile(join(folder, 'b'), JSON.stringify({ pay: [{ address: 'h', port: 2 }] }));
    await symlink('a', path);
    source = createFileSource(path, { logger: recordingLogger() });
    const seen = record(source, 'pay');
    await seen.until(isPort(1));
    await symlink('b', join(folder, 'link'));
    await rename(join(folder, 'link'), path);
    await seen.until(isPort(2));
  });

  it('knows nothing, with the reason, until there is a file; the last close ends the watching, a new watch reads anew', async () => {
    const path = join(folder, 'late.yaml');
    source = createFileSource(path, { logger: recordingLogger() });
    const seen = record(source, 'pay');
    const state = await seen.until(() => true);
    expect(state.datacenters[0]).toMatchObject({
      known: false,
      freshness: { kind: 'pending', reason: `ENOENT ${path}` },
    });
    await writeFile(path, 'pay: [{ address: h, port: 1 }]');
    await seen.until(isPort(1));
    seen.watch.close();
    await writeFile(path, 'pay: [{ address: h, port: 2 }]');
    const again = record(source, 'pay');
    await again.until(isPort(2));
    expect(ports(seen.last())).toEqual([1]);
  });
});
