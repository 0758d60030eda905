import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Instance } from '../../../../src/base/instances';
import { DEFAULT_PROTECTION, LossGuard, NO_PROTECTION } from '../../../../src/client/discovery/protection';

function instance(id: string, more: Partial<Instance> = {}): Instance {
  return {
    key: `dc1/n1/${id}`,
    id,
    node: 'n1',
    datacenter: 'dc1',
    zone: undefined,
    address: '10.0.0.1',
    port: 7000 + Number(id.slice(1)),
    tags: [],
    meta: {},
    status: 'passing',
    weight: 1,
    ...more,
  };
}

const some = (...numbers: number[]): Instance[] => numbers.map((n) => instance(`i${n}`));
const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, index) => from + index);
const absentIds = (guard: LossGuard, nowMs: number): string[] => guard.absent(nowMs).map(({ id }) => id);

describe('an answer without anybody', () => {
  it('is believed at the third read, when 30 s have passed, and not before', () => {
    const guard = new LossGuard(DEFAULT_PROTECTION);
    const before = some(1, 2);
    expect(guard.judge(before, [], 0)).toEqual({ kind: 'pending', againInMs: 15_000 });
    expect(guard.judge(before, [], 15_000).kind).toBe('pending');
    expect(guard.judge(before, [], 29_999).kind).toBe('pending');
    expect(guard.judge(before, [], 30_000)).toEqual({ kind: 'believed', massLoss: undefined, isConfirmed: true });
    expect(guard.absent(30_000)).toEqual([]);
  });

  it('needs as many reads as were asked for, however long they take', () => {
    const guard = new LossGuard(DEFAULT_PROTECTION);
    expect(guard.judge(some(1), [], 0).kind).toBe('pending');
    expect(guard.judge(some(1), [], 90_000).kind).toBe('pending');
    expect(guard.judge(some(1), [], 90_001).kind).toBe('believed');
  });

  it('is doubted afresh after a failure or an answer that lists somebody', () => {
    const guard = new LossGuard(DEFAULT_PROTECTION);
    for (const interrupt of [() => guard.interrupt(), () => guard.judge(some(1), some(1), 20_000)]) {
      guard.judge(some(1), [], 0);
      guard.judge(some(1), [], 15_000);
      interrupt();
      expect(guard.judge(some(1), [], 40_000).kind).toBe('pending');
      guard.interrupt();
    }
  });

  it('is believed at once where nobody was usable, or protection is off', () => {
    const critical = [instance('i1', { status: 'critical', weight: 0 })];
    expect(new LossGuard(DEFAULT_PROTECTION).judge(critical, [], 0).kind).toBe('believed');
    expect(new LossGuard(DEFAULT_PROTECTION).judge([], [], 0).kind).toBe('believed');
    const off = new LossGuard(NO_PROTECTION);
    expect(off.judge(some(1, 2, 3), [], 0)).toEqual({ kind: 'believed', massLoss: undefined, isConfirmed: false });
    expect(off.absent(0)).toEqual([]);
  });
});

describe('many that vanish in one answer', () => {
  it('are kept for 60 s when they are more than 15 %', () => {
    const guard = new LossGuard(DEFAULT_PROTECTION);
    const before = some(...range(10, 30));
    expect(guard.judge(before, before.slice(0, 17), 0)).toMatchObject({ kind: 'believed', massLoss: undefined });
    expect(guard.absent(0)).toEqual([]);
    expect(guard.judge(before, before.slice(0, 16), 0)).toMatchObject({ kind: 'believed', massLoss: 4 });
    expect(absentIds(guard, 0)).toEqual(['i26', 'i27', 'i28', 'i29']);
    expect(guard.nextExpiryMs).toBe(60_000);
    expect(guard.absent(59_999)).toBe(guard.absent(0));
    expect(guard.absent(60_000)).toEqual([]);
    expect(guard.nextExpiryMs).toBeUndefined();
  });

  it('one that leaves alone leaves at once, in the smallest pool, also one after another', () => {
    const guard = new LossGuard(DEFAULT_PROTECTION);
    for (let left = 4; left > 1; left -= 1) {
      guard.judge(some(...range(0, left)), some(...range(0, left - 1)), 0);
      expect(guard.absent(0)).toEqual([]);
    }
  });

  it('do not count as far as others came, or as they are registered anew at their addresses', () => {
    const guard = new LossGuard(DEFAULT_PROTECTION);
    guard.judge(some(1, 2, 3, 4), some(5, 6, 7, 8), 0);
    expect(guard.absent(0)).toEqual([]);
    const renamed = some(1, 2, 3, 4).map((each) => ({ ...each, key: `${each.key}-b`, status: 'warning' as const }));
    guard.judge(some(1, 2, 3, 4), renamed, 0);
    expect(guard.absent(0)).toEqual([]);
  });

  it('that turn critical, or come back, or were critical before, are not among them', () => {
    const guard = new LossGuard(DEFAULT_PROTECTION);
    const critical = (n: number): Instance => instance(`i${n}`, { status: 'critical', weight: 0 });
    guard.judge([...some(1, 2, 3, 4), critical(5)], [...some(1)], 0);
    expect(absentIds(guard, 0)).toEqual(['i2', 'i3', 'i4']);
    guard.judge(some(1), [...some(1), critical(2)], 1_000);
    expect(absentIds(guard, 1_000)).toEqual(['i3', 'i4']);
    guard.judge([...some(1), critical(2)], [...some(1, 3), critical(2)], 2_000);
    expect(absentIds(guard, 2_000)).toEqual(['i4']);
    guard.judge(some(1, 3), some(1, 3), 60_000);
    expect(absentIds(guard, 60_000)).toEqual([]);
  });

  it('are in no answer and in no other list, whatever comes in whatever order', () => {
    const world = fc.array(
      fc.uniqueArray(fc.tuple(fc.integer({ min: 0, max: 9 }), fc.boolean()), { selector: ([n]) => n, maxLength: 10 }),
      { maxLength: 12 },
    );
    fc.assert(
      fc.property(world, (answers) => {
        const guard = new LossGuard(DEFAULT_PROTECTION);
        let inForce: Instance[] = [];
        for (const [at, answer] of answers.entries()) {
          const listed = answer
            .map(([n, well]) => instance(`i${n}`, well ? {} : { status: 'critical', weight: 0 }))
            .sort((a, b) => (a.key < b.key ? -1 : 1));
          const former = inForce;
          if (guard.judge(former, listed, at * 5_000).kind === 'pending') {
            expect(listed).toEqual([]);
            continue;
          }
          inForce = listed;
          const keys = new Set(listed.map(({ key }) => key));
          const absent = guard.absent(at * 5_000);
          expect(absent.every((each) => !keys.has(each.key) && each.status === 'passing')).toBe(true);
          expect(new Set(absent.map(({ key }) => key)).size).toBe(absent.length);
        }
      }),
    );
  });
});
