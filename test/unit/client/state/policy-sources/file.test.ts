import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Clock, systemClock } from '../../../../../src/base/clock';
import { createFilePolicySource, readPolicyFile } from '../../../../../src/client/state/policy-sources/file';
import type { PolicyWatch } from '../../../../../src/client/state/policy-sources/source';
import type { PolicyReading } from '../../../../../src/policy/policy-reading';
import { manualClock } from './manual-clock';

let directory = '';
let watches: PolicyWatch[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'graylane-policy-'));
});
afterEach(() => {
  for (const watch of watches) watch.close();
  watches = [];
  rmSync(directory, { recursive: true, force: true });
});

/** Collects readings, and lets a test wait for the one that it is about. */
function watchFile(name = 'payments.yaml', clock: Clock = systemClock) {
  const readings: PolicyReading[] = [];
  const waiting: (() => void)[] = [];
  const timing = { debounceMs: 5, pollIntervalMs: 20 };
  const source = createFilePolicySource('payments', join(directory, name), clock, timing);
  watches.push(
    source.watch('payments', (reading) => {
      readings.push(reading);
      for (const wake of waiting.splice(0)) wake();
    }),
  );
  const until = async (isIt: (reading: PolicyReading) => boolean): Promise<PolicyReading> => {
    for (;;) {
      const found = readings.find(isIt);
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => waiting.push(resolve));
    }
  };
  const content = (text: string): Promise<PolicyReading> =>
    until((reading) => reading.kind === 'present' && reading.content === text);
  return { readings, until, content };
}

describe('createFilePolicySource', () => {
  it('reads JSON and YAML by extension', async () => {
    writeFileSync(join(directory, 'payments.json'), '{"a":1}');
    writeFileSync(join(directory, 'orders.yml'), 'a: 1');
    expect(await watchFile('payments.json').content('{"a":1}')).toMatchObject({ format: 'json' });
    expect(await watchFile('orders.yml').content('a: 1')).toMatchObject({ format: 'yaml' });
  });

  it('sees edits, removal and return', async () => {
    const path = join(directory, 'payments.yaml');
    const { content, until } = watchFile();
    await until((reading) => reading.kind === 'error');
    writeFileSync(path, 'a: 1');
    await content('a: 1');
    writeFileSync(path, 'a: 2');
    await content('a: 2');
    unlinkSync(path);
    writeFileSync(path, 'a: 3');
    await content('a: 3');
  });

  it('sees a file that is replaced by a rename, again and again', async () => {
    const path = join(directory, 'payments.yaml');
    writeFileSync(path, 'a: 0');
    const { content } = watchFile();
    await content('a: 0');
    for (let revision = 1; revision <= 5; revision += 1) {
      writeFileSync(join(directory, '.next'), `a: ${revision}`);
      renameSync(join(directory, '.next'), path);
      await content(`a: ${revision}`);
    }
  });

  it('sees the swapped link of a mounted config map', async () => {
    const revision = (name: string, text: string): void => {
      mkdirSync(join(directory, name));
      writeFileSync(join(directory, name, 'payments.yaml'), text);
    };
    revision('..1', 'a: 1');
    symlinkSync('..1', join(directory, '..data'));
    symlinkSync(join('..data', 'payments.yaml'), join(directory, 'payments.yaml'));
    const { content, readings } = watchFile();
    await content('a: 1');
    revision('..2', 'a: 2');
    symlinkSync('..2', join(directory, '..next'));
    renameSync(join(directory, '..next'), join(directory, '..data'));
    await content('a: 2');
    expect(readings.every((reading) => reading.kind === 'present')).toBe(true);
  });

  it('does not repeat what has not changed', async () => {
    const path = join(directory, 'payments.yaml');
    writeFileSync(path, 'a: 1');
    const clock = manualClock();
    const { content, readings } = watchFile('payments.yaml', clock);
    await content('a: 1');
    for (const text of ['a: 1', 'a: 1', 'a: 2']) {
      // In one piece: a reading between its emptying and its writing would be one more.
      writeFileSync(`${path}.new`, text);
      renameSync(`${path}.new`, path);
      clock.runAll();
      // The source reads just as this does, and began earlier.
      for (let round = 0; round < 5; round += 1) await readPolicyFile(path);
      clock.runAll();
    }
    await content('a: 2');
    expect(readings).toHaveLength(2);
  });

  it('tells what cannot be read from what is not there', async () => {
    const path = join(directory, 'payments.yaml');
    mkdirSync(path);
    const { until, content } = watchFile();
    expect(await until((reading) => reading.kind === 'error')).toMatchObject({
      reason: expect.stringContaining('payments.yaml'),
    });
    rmSync(path, { recursive: true });
    await until((reading) => reading.kind === 'error' && reading.reason.includes('no such file'));
    writeFileSync(path, 'x'.repeat(300_000));
    await until((reading) => reading.kind === 'error' && reading.reason.includes('at most 262144 bytes'));
    writeFileSync(path, Buffer.from([0xff, 0xff]));
    await until((reading) => reading.kind === 'error' && reading.reason.includes('UTF-8'));
    writeFileSync(path, 'a: 1');
    await content('a: 1');
  });

  it('takes a file that was named for the service and is not there for an error, not for "no policy"', async () => {
    const path = join(directory, 'payments.yaml');
    const { until, content, readings } = watchFile();
    const missing = { kind: 'error', reason: `${path}: no such file or directory` };
    expect(await until((reading) => reading.kind === 'error')).toEqual(missing);
    writeFileSync(path, 'a: 1');
    expect(await content('a: 1')).toMatchObject({ place: path });
    unlinkSync(path);
    await expect.poll(() => readings.map(({ kind }) => kind)).toEqual(['error', 'present', 'error']);
  });

  it('takes a missing directory for an error, and notices when it comes', async () => {
    const { until, content } = watchFile('later/payments.json');
    await until((reading) => reading.kind === 'error');
    mkdirSync(join(directory, 'later'));
    writeFileSync(join(directory, 'later', 'payments.json'), '{}');
    await content('{}');
  });

  it('is silent once closed', async () => {
    const path = join(directory, 'payments.yaml');
    writeFileSync(path, 'a: 1');
    const { content, readings } = watchFile();
    await content('a: 1');
    watches[0]?.close();
    watches[0]?.close();
    writeFileSync(path, 'a: 2');
    const other = watchFile();
    await other.content('a: 2');
    expect(readings).toHaveLength(1);
  });

  it('refuses another file', () => {
    expect(() => createFilePolicySource('payments', 'policy.toml', systemClock)).toThrow(
      'files.payments: policy.toml (expected: a .json, .yaml or .yml file)',
    );
  });
});
