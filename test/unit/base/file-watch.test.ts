import { mkdtempSync, rmSync, watch, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { followFiles, watchFiles } from '../../../src/base/file-watch';
import { manualClock } from '../client/state/policy-sources/manual-clock';

let directory = '';

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'graylane-watch-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

/** Resolves once the system has told of a write in the directory: by then it has told everybody. */
function told(name: string): Promise<void> {
  return new Promise((resolve) => {
    const watcher = watch(directory, (_, changed) => {
      if (changed !== name) return;
      watcher.close();
      setImmediate(resolve);
    });
    writeFileSync(join(directory, name), 'x');
  });
}

describe('watchFiles', () => {
  it('tells of a change once it has been quiet, by notification alone', async () => {
    const clock = manualClock();
    let changes = 0;
    const watcher = watchFiles([join(directory, 'a.json')], { clock, pollIntervalMs: 1, debounceMs: 1 }, () => {
      changes += 1;
    });
    expect(clock.pending).toBe(1);
    await told('a.json');
    expect(changes).toBe(0);
    expect(clock.pending).toBe(2);
    clock.runAll();
    expect(changes).toBe(1);
    watcher.close();
  });

  it('finds by polling what the system did not tell', () => {
    const clock = manualClock();
    const later = join(directory, 'later', 'a.json');
    let changes = 0;
    const watcher = watchFiles([later, join(directory, 'a.json')], { clock, pollIntervalMs: 1, debounceMs: 1 }, () => {
      changes += 1;
    });
    clock.runAll();
    expect(changes).toBe(0);
    // Notifications come through the event loop, which does not turn here.
    writeFileSync(join(directory, 'a.json'), 'x');
    clock.runAll();
    expect(changes).toBe(1);
    clock.runAll();
    expect(changes).toBe(1);
    watcher.close();
  });

  it('leaves nothing behind once closed', async () => {
    const clock = manualClock();
    let changes = 0;
    const watcher = watchFiles([join(directory, 'a.json')], { clock, pollIntervalMs: 1, debounceMs: 1 }, () => {
      changes += 1;
    });
    await told('a.json');
    watcher.close();
    watcher.close();
    expect(clock.pending).toBe(0);
    await told('b.json');
    expect(clock.pending).toBe(0);
    expect(changes).toBe(0);
  });
});

describe('followFiles', () => {
  it('tells of readings that differ, and reads again at each poll while reading fails', async () => {
    const clock = manualClock();
    let reading = 'failed';
    let reads = 0;
    const seen: string[] = [];
    const follower = followFiles([join(directory, 'a.json')], {
      clock,
      pollIntervalMs: 1,
      debounceMs: 1,
      read: async () => {
        reads += 1;
        return reading;
      },
      isSame: (former, next) => former === next,
      isFailure: (last) => last === 'failed',
      onReading: (next) => seen.push(next),
    });
    const poll = async (): Promise<void> => {
      clock.runAll();
      await new Promise((resolve) => setImmediate(resolve));
    };
    await poll();
    await poll();
    expect([reads, seen]).toEqual([2, ['failed']]);
    reading = 'a';
    await poll();
    expect(seen).toEqual(['failed', 'a']);
    reading = 'b';
    // The file is as it was, so it is not read again.
    await poll();
    expect([reads, seen]).toEqual([3, ['failed', 'a']]);
    writeFileSync(join(directory, 'a.json'), 'x');
    await poll();
    follower.close();
    expect(seen).toEqual(['failed', 'a', 'b']);
    expect(clock.pending).toBe(0);
  });
});
