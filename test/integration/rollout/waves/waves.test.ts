import { describe, expect, it } from 'vitest';
import { controlWaves } from '../../../../src/ops/rollout/waves/control';
import { performEffect } from '../../../../src/ops/rollout/waves/member';
import { createWavesStore, type WavesRecord } from '../../../../src/ops/rollout/waves/record';
import { documentText } from '../../../../src/ops/store/policy-text';
import { applied, rolloutWorld, splitPolicy } from '../rollout-world';
import {
  BAD,
  beginThem,
  DATACENTERS,
  driveThem,
  openSessions,
  recordIn,
  wavesContext,
  wavesOf,
  writtenIn,
} from './waves-world';

const world = rolloutWorld({ datacenters: DATACENTERS });

const statesOf = ({ progress }: WavesRecord): readonly string[] => progress.members.map(({ state }) => state);

const control = (more: object = {}): Parameters<typeof controlWaves>[2] => {
  return { waves: createWavesStore(world.client), by: 'tester', now: Date.now, ...more };
};

describe('waves over three datacenters', { timeout: 60_000 }, () => {
  it('go through them in order, each rollout to its end', async () => {
    await beginThem(world, wavesOf('healthy', { bakeMs: 1_000 }));
    const ended = await driveThem('healthy', await openSessions(world), wavesContext(world));
    expect(ended.progress.state.kind).toBe('completed');
    for (const datacenter of DATACENTERS) {
      expect(await writtenIn(world, 'healthy', datacenter)).toEqual([0, 50, 100, 100]);
    }
    const events = ended.transitions.map(({ event, member = 'all' }) => `${event} ${member}`);
    const each = DATACENTERS.map((datacenter) => {
      const member = `healthy in ${datacenter}`;
      return [`starting ${member}`, `running ${member}`, `completed ${member}`];
    });
    const [first = [], second = [], third = []] = each;
    expect(events).toEqual(['started all', ...first, 'baking all', ...second, 'baking all', ...third, 'completed all']);
    expect(ended.transitions.map(({ number }) => number)).toEqual(ended.transitions.map((_, at) => at + 1));
  });

  it.each([
    ['stop', [0, 50, 100, 100], 'completed'],
    ['take-back-all', [0, 50, 100, 100, 0], 'taken-back'],
  ] as const)(
    'whose second fails, with %s: the third is never begun, the first is as asked for',
    async (onFailure, first, state) => {
      const name = `fails-${onFailure}`;
      await beginThem(world, wavesOf(name, { onFailure }));
      const deps = wavesContext(world, { measured: { dc2: BAD } });
      const ended = await driveThem(name, await openSessions(world), deps);
      expect(statesOf(ended)).toEqual([state, 'failed', 'waiting']);
      expect(ended.progress.state).toMatchObject({
        kind: 'stopped',
        message: expect.stringMatching(new RegExp(`^${name} in dc2 was taken back: request-success-rate: `)),
      });
      expect(await writtenIn(world, name, 'dc1')).toEqual(first);
      expect(await writtenIn(world, name, 'dc2')).toEqual([0, 50, 0]);
      expect(await writtenIn(world, name, 'dc3')).toEqual([]);
      expect(await recordIn(world, name, 'dc3')).toBeUndefined();
    },
  );

  it('that promoted stable take that back too, unless it was changed since', async () => {
    const promoting = wavesOf('promoted', { onFailure: 'take-back-all' });
    const document = { ...promoting, rollout: { ...promoting.rollout, onSuccess: 'promote' as const } };
    const subsets = { stable: { tags: ['v1'] }, canary: { tags: ['v2'], fallback: 'stable' } };
    await beginThem(world, document, (service) => splitPolicy(service, 0, { subsets }));
    const sessions = await openSessions(world);
    const stableIn = async (datacenter: string): Promise<unknown> => {
      const { policy } = await world.policies.read('promoted', datacenter);
      return JSON.parse(policy?.text ?? '{}').subsets.stable;
    };
    const deps = wavesContext(world, { measured: { dc3: BAD } });
    await driveThem('promoted', sessions, deps, ({ progress }) => progress.members[2]?.state === 'running');
    expect([await stableIn('dc1'), await stableIn('dc2')]).toEqual([{ tags: ['v2'] }, { tags: ['v2'] }]);
    const before = await world.policies.read('promoted', 'dc1');
    const edited = JSON.parse(before.policy?.text ?? '{}');
    edited.subsets.stable = { tags: ['v3'] };
    await world.policies.write({ before, ...applied, text: documentText(edited) });
    const waiting = ({ progress }: WavesRecord): boolean => {
      return progress.members[0]?.waitingFor !== undefined && progress.members[1]?.state === 'taken-back';
    };
    const held = await driveThem('promoted', sessions, deps, waiting);
    expect(held.progress.members[0]?.waitingFor).toMatch(/^subsets\.stable: changed since it was promoted/);
    expect([await stableIn('dc1'), await stableIn('dc2')]).toEqual([{ tags: ['v3'] }, { tags: ['v1'] }]);
    // Whoever puts it back lets the waves end.
    const again = await world.policies.read('promoted', 'dc1');
    edited.subsets.stable = { tags: ['v2'] };
    await world.policies.write({ before: again, ...applied, text: documentText(edited) });
    const ended = await driveThem('promoted', sessions, deps);
    expect(statesOf(ended)).toEqual(['taken-back', 'taken-back', 'failed']);
    expect(await stableIn('dc1')).toEqual({ tags: ['v1'] });
  });

  it('do not take back to instances that cannot carry the calls any more', async () => {
    await beginThem(world, wavesOf('gone', { onFailure: 'take-back-all' }));
    let isGone = false;
    const overloads = async ({
      datacenter,
    }: {
      readonly datacenter: string | undefined;
    }): Promise<readonly string[]> => (isGone && datacenter === 'dc1' ? ['stable has no healthy instance'] : []);
    const sessions = await openSessions(world);
    const deps = wavesContext(world, { measured: { dc2: BAD }, overloads });
    await driveThem('gone', sessions, deps, ({ progress }) => progress.members[1]?.state === 'running');
    isGone = true;
    const held = await driveThem('gone', sessions, deps, ({ progress }) => {
      return progress.members[0]?.waitingFor === 'stable has no healthy instance';
    });
    expect(held.progress.state.kind).toBe('stopping');
    expect((await writtenIn(world, 'gone', 'dc1')).at(-1)).toBe(100);
    isGone = false;
    await driveThem('gone', sessions, deps);
    expect((await writtenIn(world, 'gone', 'dc1')).at(-1)).toBe(0);
  });

  it('wait for what keeps a member from beginning, and say so', async () => {
    await beginThem(world, wavesOf('late'));
    const sessions = await openSessions(world);
    const refusals: Record<string, string> = { dc2: 'canary has no instance' };
    const deps = wavesContext(world, { refusals });
    const waiting = await driveThem('late', sessions, deps, ({ progress }) => {
      return progress.members[1]?.waitingFor !== undefined;
    });
    expect(waiting.progress.members[1]).toMatchObject({ state: 'starting', waitingFor: 'canary has no instance' });
    expect(await recordIn(world, 'late', 'dc2')).toBeUndefined();
    delete refusals['dc2'];
    const ended = await driveThem('late', sessions, deps);
    expect(ended.progress.members.map(({ waitingFor }) => waitingFor)).toEqual([undefined, undefined, undefined]);
    expect(ended.progress.state.kind).toBe('completed');
  });

  it('are paused with their members, resumed, and aborted: what had not begun cannot begin any more', async () => {
    const members = DATACENTERS.map((datacenter) => ({ service: 'asked', datacenter }));
    await beginThem(world, wavesOf('asked', { waves: [{ members }] }));
    const sessions = await openSessions(world);
    const deps = wavesContext(world, { refusals: { dc3: 'not yet' } });
    await driveThem('asked', sessions, deps, ({ progress }) => {
      return statesOf({ progress } as WavesRecord).join() === 'running,running,starting';
    });
    expect((await controlWaves('asked', 'pause', control())).kind).toBe('done');
    const held = async (): Promise<readonly unknown[]> =>
      Promise.all(['dc1', 'dc2'].map(async (dc) => (await recordIn(world, 'asked', dc))?.progress.state));
    let turns = 0;
    await driveThem('asked', sessions, deps, () => {
      turns += 1;
      return turns > 12;
    });
    const pausedState = { kind: 'paused', why: 'operator', message: 'paused by waves asked' };
    expect(await held()).toMatchObject([pausedState, pausedState]);
    expect(await controlWaves('asked', 'pause', control())).toMatchObject({
      reason: 'waves asked are paused: nothing to pause',
    });
    expect((await controlWaves('asked', 'resume', control())).kind).toBe('done');
    await driveThem('asked', sessions, deps, ({ progress }) => progress.members[0]?.state === 'completed');
    expect((await controlWaves('asked', 'abort', control({ reason: 'incident 42', all: true }))).kind).toBe('done');
    const ended = await driveThem('asked', sessions, deps);
    expect(statesOf(ended)).toEqual(['taken-back', 'taken-back', 'taken-back']);
    expect(ended.progress.members[2]?.message).toBe('never begun: aborted by tester: incident 42');
    for (const datacenter of ['dc1', 'dc2']) expect((await writtenIn(world, 'asked', datacenter)).at(-1)).toBe(0);
    expect(await writtenIn(world, 'asked', 'dc3')).toEqual([]);
    // A controller that was frozen just before it began the third.
    const [third] = ended.progress.members.slice(-1);
    const owner = { document: ended.progress.document, startedBy: 'tester' };
    if (third !== undefined) await performEffect('begin', third, owner, '', wavesContext(world));
    expect((await recordIn(world, 'asked', 'dc3'))?.progress.state.kind).toBe('aborted');
  });

  it('leave rollouts of others alone', async () => {
    await beginThem(world, wavesOf('shared'));
    await world.begin('shared');
    const sessions = await openSessions(world);
    const deps = wavesContext(world);
    const waiting = await driveThem('shared', sessions, deps, ({ progress }) => {
      return progress.members[0]?.waitingFor !== undefined;
    }).catch(() => undefined);
    // The other one goes to its end first.
    expect(waiting?.progress.members[0]?.waitingFor ?? '').toMatch(/^a rollout of shared is under way: .* of tester/);
    const ended = await driveThem('shared', sessions, deps);
    expect(ended.progress.state.kind).toBe('completed');
    expect((await recordIn(world, 'shared', 'dc1'))?.past).toHaveLength(1);
  });
});
