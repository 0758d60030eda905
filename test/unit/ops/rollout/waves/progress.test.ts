import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { WavesDocument } from '../../../../../src/ops/rollout/waves/document';
import {
  abortWaves,
  advanceWaves,
  dueEffects,
  haveEnded,
  type MemberSeen,
  membersInPlay,
  pauseWaves,
  resumeWaves,
  startWaves,
  type WavesProgress,
} from '../../../../../src/ops/rollout/waves/progress';

const DOCUMENT: WavesDocument = {
  schema: 1,
  name: 'shop',
  rollout: { canary: 'canary', stable: 'stable', steps: [{ setWeight: 100 }] },
  bakeMs: 1_000,
  waves: [
    { members: [{ service: 'cart' }, { service: 'orders' }] },
    { members: [{ service: 'cart', datacenter: 'dc2' }], bakeMs: 0 },
    { members: [{ service: 'orders', datacenter: 'dc2' }] },
  ],
};

const UNDER_WAY: MemberSeen = { kind: 'under-way', isHeld: false, isMoving: true };
const DONE: MemberSeen = { kind: 'ended', result: 'completed', message: '', isPast: false };
const TAKEN_BACK: MemberSeen = { kind: 'ended', result: 'aborted', message: 'too slow', isPast: false };

const seeAll = (progress: WavesProgress, seen: MemberSeen): ReadonlyMap<number, MemberSeen> =>
  new Map(membersInPlay(progress).map((index) => [index, seen]));
const statesOf = ({ members }: WavesProgress): string => members.map(({ state }) => state).join(' ');

function begun(change: Partial<WavesDocument> = {}): WavesProgress {
  return advanceWaves(startWaves('w1', { ...DOCUMENT, ...change }, 0), new Map(), 0);
}

describe('waves', () => {
  it('begin all members of a wave at once, and the next when all of them are done and baked', () => {
    let waves = begun();
    expect(statesOf(waves)).toBe('starting starting waiting waiting');
    expect(waves.members.map(({ id }) => id)).toEqual(['w1-1', 'w1-2', undefined, undefined]);
    waves = advanceWaves(waves, seeAll(waves, UNDER_WAY), 10);
    waves = advanceWaves(waves, new Map([[0, DONE]]), 20);
    expect(statesOf(waves)).toBe('completed running waiting waiting');
    waves = advanceWaves(waves, seeAll(waves, DONE), 30);
    expect(waves.bakeUntilMs).toBe(1_030);
    expect(advanceWaves(waves, new Map(), 1_029)).toBe(waves);
    waves = advanceWaves(waves, new Map(), 1_030);
    expect([waves.wave, statesOf(waves)]).toEqual([1, 'completed completed starting waiting']);
    // No bake of its own: the third follows at once.
    waves = advanceWaves(waves, seeAll(waves, DONE), 2_000);
    expect([waves.wave, waves.bakeUntilMs, statesOf(waves)]).toEqual([
      2,
      undefined,
      'completed completed completed starting',
    ]);
    waves = advanceWaves(waves, seeAll(waves, DONE), 3_000);
    expect(waves.state).toEqual({ kind: 'completed', atMs: 3_000 });
  });

  it.each([
    ['stop', 'failed taking-back waiting waiting', 'failed taken-back waiting waiting'],
    ['take-back-all', 'failed taking-back waiting waiting', 'failed taken-back waiting waiting'],
  ] as const)('with %s take back what is under way when a member fails', (onFailure, stopping, stopped) => {
    let waves = begun({ onFailure });
    waves = advanceWaves(waves, new Map([[0, TAKEN_BACK]]), 10);
    expect([waves.state.kind, statesOf(waves)]).toEqual(['stopping', stopping]);
    expect(dueEffects(waves, seeAll(waves, UNDER_WAY))).toEqual([{ index: 1, kind: 'take-back' }]);
    waves = advanceWaves(waves, seeAll(waves, TAKEN_BACK), 20);
    expect([waves.state, statesOf(waves)]).toEqual([
      { kind: 'stopped', message: 'cart was taken back: too slow', atMs: 20 },
      stopped,
    ]);
  });

  it.each([
    ['starting', 'running', 'none', 'begin'],
    ['starting', 'paused', 'none', undefined],
    ['running', 'paused', 'moving', 'hold'],
    ['running', 'paused', 'still', undefined],
    ['running', 'running', 'held', 'release'],
    ['running', 'running', 'moving', undefined],
    ['taking-back', 'stopping', 'none', 'take-back'],
    ['taking-back', 'stopping', 'moving', 'take-back'],
    ['running', 'running', 'unknown', undefined],
  ] as const)('do what is due to a member that is %s while they are %s (%s)', (state, kind, seen, effect) => {
    const found: Readonly<Record<typeof seen, MemberSeen>> = {
      none: { kind: 'none' },
      moving: UNDER_WAY,
      still: { kind: 'under-way', isHeld: false, isMoving: false },
      held: { kind: 'under-way', isHeld: true, isMoving: false },
      unknown: { kind: 'unknown', reason: 'ECONNREFUSED' },
    };
    const waves = begun();
    const members = waves.members.map((member, index) => (index === 0 ? { ...member, state } : member));
    const there = { ...waves, members, state: { kind, message: '', sinceMs: 0 } as WavesProgress['state'] };
    expect(dueEffects(there, new Map([[0, found[seen]]])).map((each) => each.kind)).toEqual(effect ? [effect] : []);
  });

  it('say what cannot be', () => {
    const waves = begun();
    expect(resumeWaves(waves)).toBeUndefined();
    const paused = pauseWaves(waves, 'by me', 1);
    expect(paused === undefined ? '' : pauseWaves(paused, 'by me', 2)).toBeUndefined();
    const aborted = abortWaves(waves, 'by me', true, 1);
    expect(aborted === undefined ? '' : abortWaves(aborted, 'by me', true, 2)).toBeUndefined();
  });

  it('end, begin no wave before its turn and none after a failure, whatever is seen in whatever order', () => {
    const seen = fc.constantFrom<MemberSeen>(
      UNDER_WAY,
      DONE,
      TAKEN_BACK,
      { kind: 'none' },
      { kind: 'unknown', reason: '' },
    );
    fc.assert(
      fc.property(fc.array(fc.array(seen, { minLength: 4, maxLength: 4 }), { maxLength: 40 }), (looks) => {
        let waves = begun();
        let nowMs = 0;
        let hasFailed = false;
        for (const look of [...looks, ...Array<MemberSeen[]>(12).fill(Array<MemberSeen>(4).fill(DONE))]) {
          nowMs += 600;
          const before = waves;
          const found = new Map(membersInPlay(waves).map((index) => [index, look[index] as MemberSeen]));
          waves = advanceWaves(waves, found, nowMs);
          for (const [index, member] of waves.members.entries()) {
            const old = before.members[index];
            if (member.state !== 'starting' || old?.state === 'starting') continue;
            expect([old?.state, hasFailed]).toEqual(['waiting', false]);
            const earlier = waves.members.filter(({ wave }) => wave < member.wave);
            expect(earlier.every(({ state }) => state === 'completed')).toBe(true);
          }
          hasFailed ||= waves.members.some(({ state }) => state === 'failed');
        }
        expect(haveEnded(waves) || waves.state.kind === 'stopping').toBe(true);
        expect(waves.state.kind === 'completed').toBe(!hasFailed);
      }),
    );
  });
});
