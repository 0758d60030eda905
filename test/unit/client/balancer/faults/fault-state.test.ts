import { describe, expect, it } from 'vitest';
import { FaultState } from '../../../../../src/client/balancer/faults/fault-state';
import { compilePolicy } from '../../../../../src/policy/compile';

const UNTIL = '2026-06-01T00:00:00Z';
const UNTIL_MS = Date.parse(UNTIL);

function stateOf(fault: object): FaultState {
  const faults = [{ name: 'f', abort: 'UNAVAILABLE', percent: 100, until: UNTIL, ...fault }];
  const content = { schema: 1, service: 's', subsets: { a: { tags: ['a'] } }, faults };
  const [plan] = compilePolicy({ content, format: 'object' }, { service: 's', origin: 'inline' }).faults ?? [];
  if (plan === undefined) throw new Error('the policy has no fault');
  return new FaultState(plan, 0);
}

describe('which attempts a fault hits', () => {
  it.each([
    [{ percent: 0.01 }, 0.00009, true],
    [{ percent: 0.01 }, 0.0001, false],
    [{ percent: 10 }, 0.0999, true],
    [{ percent: 10 }, 0.1, false],
    [{ percent: 100 }, 0.999999, true],
  ])('%j at a draw of %s: %s', (fault, drawn, isHit) => {
    expect(stateOf(fault).hits('a', 'dc1', () => drawn, 0)).toBe(isHit);
  });

  it('ends to the millisecond', () => {
    const state = stateOf({});
    expect([UNTIL_MS - 1, UNTIL_MS].map((atMs) => state.hits('a', 'dc1', () => 0, atMs))).toEqual([true, false]);
  });

  it('is one at its subset', () => {
    const state = stateOf({ in: 'a' });
    expect(['a', 'b'].map((subset) => state.hits(subset, 'dc1', () => 0, 0))).toEqual([true, false]);
  });

  it('is one at its place', () => {
    const state = stateOf({ in: { subset: 'a', datacenter: 'dc2' } });
    expect(['dc1', 'dc2'].map((place) => state.hits('a', place, () => 0, 0))).toEqual([false, true]);
    expect(stateOf({ in: { subset: 'a', peer: 'dc2' } }).hits('a', 'peer dc2', () => 0, 0)).toBe(true);
  });
});

describe('stopAbove', () => {
  const stopAbove = { failedPercentage: 10, minimumCalls: 10 };

  it('waits for the calls that it needs, and for more than its percentage', () => {
    const state = stateOf({ stopAbove });
    const stops = (became: 'failed' | 'untouched'): boolean => state.ended(became, became === 'failed', 0);
    expect(Array.from({ length: 9 }, () => stops('failed'))).not.toContain(true);
    expect(stops('failed')).toBe(true);
    expect(state.hits('a', 'dc1', () => 0, 0)).toBe(false);
    expect(stops('failed')).toBe(false);
  });

  it('takes exactly its percentage for fine', () => {
    const state = stateOf({ stopAbove });
    for (let call = 0; call < 90; call += 1) state.ended('untouched', false, 0);
    for (let call = 0; call < 10; call += 1) expect(state.ended('failed', true, 0)).toBe(false);
    expect(state.ended('failed', true, 0)).toBe(true);
    expect(state.stoppedBecause).toBe('11 of 101 calls failed in 10 s (10.9 %; stopAbove.failedPercentage is 10)');
  });

  it('forgets what is older than 10 s', () => {
    const state = stateOf({ stopAbove });
    for (let call = 0; call < 9; call += 1) state.ended('failed', true, 0);
    for (let call = 0; call < 9; call += 1) expect(state.ended('failed', true, 11_000)).toBe(false);
    expect(state.ended('failed', true, 11_000)).toBe(true);
  });

  it('of a fault without one never comes', () => {
    const state = stateOf({});
    for (let call = 0; call < 100; call += 1) expect(state.ended('failed', true, 0)).toBe(false);
  });
});
