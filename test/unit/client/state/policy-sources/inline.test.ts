import { describe, expect, it } from 'vitest';
import { createInlinePolicySource } from '../../../../../src/client/state/policy-sources/inline';
import type { PolicyReading } from '../../../../../src/policy/policy-reading';

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('createInlinePolicySource', () => {
  it('tells the first reading asynchronously, then every change before set() returns', async () => {
    const first = { schema: 1 };
    const source = createInlinePolicySource();
    source.set('payments', first);
    const readings: PolicyReading[] = [];
    source.watch('payments', (reading) => readings.push(reading));
    expect(readings).toEqual([]);
    await settled();
    source.set('payments', { schema: 2 });
    source.set('payments', undefined);
    expect(readings).toEqual([
      { kind: 'present', content: first, format: 'object' },
      { kind: 'present', content: { schema: 2 }, format: 'object' },
      { kind: 'absent' },
    ]);
  });

  it('tells only the latest of what was set before the first reading, and only who asked for the service', async () => {
    const source = createInlinePolicySource();
    const readings: PolicyReading[] = [];
    source.watch('payments', (reading) => readings.push(reading));
    source.watch('constructor', (reading) => readings.push(reading));
    source.set('payments', { a: 1 });
    source.set('payments', { a: 2 });
    expect(readings).toEqual([]);
    await settled();
    expect(readings).toEqual([{ kind: 'present', content: { a: 2 }, format: 'object' }, { kind: 'absent' }]);
  });

  it('is silent once closed, even about what was under way', async () => {
    const source = createInlinePolicySource();
    source.set('payments', {});
    let calls = 0;
    const watch = source.watch('payments', () => {
      calls += 1;
    });
    watch.close();
    watch.close();
    source.set('payments', { a: 1 });
    await settled();
    expect(calls).toBe(0);
  });
});
