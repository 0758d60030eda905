import { describe, expect, it } from 'vitest';
import { callerTimeline } from '../../../../src/ops/console/caller-timeline';
import { timelineOf } from '../../../../src/ops/console/timeline';
import { createEntry, type StoredEntry, type StoredPolicy } from '../../../../src/ops/store/history';
import { GRAY, graySplit } from '../../../support/gray-policy';

const HOUR = 3_600_000;
const START = Date.parse('2026-11-01T09:00:00Z');
const at = (hour: number): string => new Date(START + hour * HOUR).toISOString();

const sticky = (percent: number, more: object = {}) => ({
  ...GRAY,
  routes: [{ name: 'everyone', split: graySplit(percent), stickBy: 'x-user-id' }],
  ...more,
});

/** The documents as they were written, one an hour. A text is taken as it is; undefined is no entry. */
function stored(...documents: readonly (object | string | undefined)[]): StoredPolicy {
  const history = documents.map((document, index): StoredEntry => {
    const number = index + 1;
    const text = typeof document === 'string' ? document : JSON.stringify(document);
    const common = { service: 'payments', kind: 'apply', author: 'alice', message: `change ${number}` } as const;
    const entry =
      document === undefined
        ? undefined
        : createEntry({ ...common, number, time: at(index), document: text, previous: undefined, oldest: 1 });
    return { key: `k${number}`, number, bytes: 1, createIndex: '1', modifyIndex: '1', entry };
  });
  const last = documents.at(-1);
  const text = typeof last === 'string' ? last : JSON.stringify(last);
  return { service: 'payments', datacenter: undefined, policy: { text, index: '1' }, history };
}

const call = { method: '/shop.v1.Payments/Charge', labels: { 'x-user-id': 'u-42' } };
const NOW = START + 24 * HOUR;

describe('the way of a call through the history', () => {
  const wayOf = (policy: StoredPolicy, labels: Record<string, string> = call.labels) =>
    callerTimeline(policy, { ...call, labels }, 30, NOW).map(({ number, decision, hasMoved }) => [
      number,
      decision?.to,
      hasMoved,
    ]);

  it('tells which change moved it', () => {
    expect(wayOf(stored(sticky(0), sticky(100), sticky(100, { timeoutMs: 900 }), sticky(0)))).toEqual([
      [4, 'stable', true],
      [3, 'canary', false],
      [2, 'canary', true],
      [1, 'stable', false],
    ]);
  });

  it('judges an override as of when it was written, and the newest as of now', () => {
    const override = { to: 'canary', until: at(2), by: 'bob', reason: 'incident 42' };
    const policy = stored(sticky(0), sticky(0, { override }), sticky(0));
    expect(wayOf(policy).map(([, to]) => to)).toEqual(['stable', 'canary', 'stable']);
    // It has ended meanwhile.
    expect(wayOf(stored(sticky(0), sticky(0, { override }))).map(([, to]) => to)).toEqual(['stable', 'stable']);
  });

  it('steps over what was no policy, since clients went on with the one before', () => {
    expect(wayOf(stored(sticky(100), '{"schema": 1, "routes": 7}', undefined, sticky(0)))).toEqual([
      [4, 'stable', true],
      [2, undefined, false],
      [1, 'canary', false],
    ]);
  });

  it('names the shares where chance decides', () => {
    expect(wayOf(stored(sticky(30)), {})).toEqual([[1, 'stable 70 %, canary 30 %', false]]);
  });

  it('follows the newest ones only', () => {
    const policy = stored(...Array.from({ length: 40 }, (_, index) => sticky(index)));
    expect(callerTimeline(policy, call, 5, NOW).map(({ number }) => number)).toEqual([40, 39, 38, 37, 36]);
  });
});

describe('the timeline', () => {
  it('has what each change changed, and which is in force', () => {
    const entries = timelineOf(stored(sticky(5), sticky(30), undefined, sticky(40)), 100);
    expect(entries.map(({ number, inForce, changed }) => [number, inForce, changed])).toEqual([
      [4, true, undefined],
      [3, undefined, undefined],
      [2, false, 2],
      [1, false, 5],
    ]);
    expect(entries[2]?.differences?.[1]).toEqual({
      path: 'routes[everyone].split[canary].weight',
      kind: 'changed',
      before: 5,
      after: 30,
    });
  });

  it('compares the oldest that is shown with the one before it', () => {
    expect(timelineOf(stored(sticky(5), sticky(30)), 1).map(({ number, changed }) => [number, changed])).toEqual([
      [2, 2],
    ]);
  });

  it('says of a policy that was written past the history that no entry is in force', () => {
    const policy = { ...stored(sticky(5)), policy: { text: '{}', index: '2' } };
    expect(timelineOf(policy, 100).map(({ inForce }) => inForce)).toEqual([false]);
  });

  it('tells only so many differences, and how many there are', () => {
    const subsets = Object.fromEntries(Array.from({ length: 60 }, (_, index) => [`s${index}`, { tags: ['x'] }]));
    const [entry] = timelineOf(stored(sticky(5), sticky(5, { subsets: { ...GRAY.subsets, ...subsets } })), 100);
    expect([entry?.differences?.length, entry?.changed]).toEqual([40, 60]);
  });
});
