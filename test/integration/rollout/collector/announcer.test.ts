import { describe, expect, it, onTestFinished } from 'vitest';
import { announcementKey } from '../../../../src/base/rollout-metrics';
import { Announcer, countedWindow } from '../../../../src/ops/rollout/collector/announcer';
import { Collector } from '../../../../src/ops/rollout/collector/collector';
import type { RolloutDocument } from '../../../../src/ops/rollout/document';
import type { AnalysisWindow, RolloutProgress } from '../../../../src/ops/rollout/progress';
import { type KvOperation, type TransactionOutcome, transact } from '../../../../src/ops/store/kv';
import { rolloutWorld } from '../rollout-world';

const world = rolloutWorld();
const WALL_MS = 1_000_000;

function progressOf(
  service: string,
  change: Partial<RolloutProgress> = {},
  more: Partial<RolloutDocument> = {},
): RolloutProgress {
  const document: RolloutDocument = {
    ...{ schema: 1, service, canary: 'canary', stable: 'stable', steps: [{ analysis: {} }] },
    ...more,
  };
  return {
    ...{ id: 'r1', document, state: { kind: 'running' }, step: 0, weight: 5, windows: 1, nextAction: 1, pending: [] },
    ...{ startedAtMs: 0, results: [] },
    ...change,
  };
}

const open: AnalysisWindow = {
  ...{ kind: 'step', sinceMs: WALL_MS, dueMs: WALL_MS + 30_000, falseAlarmRate: 0.01, measured: 0, errors: 0 },
  ...{ undecided: 0, failures: {}, slowCalls: {} },
};

describe('what clients are to count', () => {
  it.each([
    ['with an open window', progressOf('x', { window: open }), { id: 'r1/1', everyMs: 5000 }],
    [
      'oftener where it is measured oftener',
      progressOf('x', { window: open }, { analysis: { intervalMs: 4000 } }),
      { everyMs: 2000 },
    ],
    [
      'not oftener than once a second',
      progressOf('x', { window: open }, { analysis: { intervalMs: 100 } }),
      { everyMs: 1000 },
    ],
    ['nothing without a window', progressOf('x'), undefined],
    ['nothing during the initial delay', progressOf('x', { window: { ...open, sinceMs: WALL_MS + 1 } }), undefined],
    [
      'nothing while somebody has paused it',
      progressOf('x', { window: open, state: { kind: 'paused', why: 'operator', message: 'x', sinceMs: 0 } }),
      undefined,
    ],
    [
      'nothing where another provider is named',
      progressOf('x', { window: open }, { analysis: { provider: 'x' } }),
      undefined,
    ],
    [
      'nothing where no check needs figures of calls',
      progressOf(
        'x',
        { window: open },
        {
          analysis: {
            checks: [{ check: 'value', name: 'v', provider: 'x', successCondition: '> 1' }],
          },
        },
      ),
      undefined,
    ],
  ])('is %s', (_, progress, expected) => {
    const window = countedWindow(progress, WALL_MS);
    if (expected === undefined) expect(window).toBeUndefined();
    else expect(window).toMatchObject({ canary: 'canary', stable: 'stable', ...expected });
  });
});

interface Bench {
  readonly announcer: Announcer;
  readonly writes: readonly KvOperation[];
  readonly lease: { session: string | undefined };
  wallMs: number;
  /** In place of Consul's own answers, while set. */
  answer: TransactionOutcome | undefined;
  entry(): Promise<{ readonly value: { readonly url: string; readonly window?: object }; readonly session?: string }>;
}

async function bench(service: string): Promise<Bench> {
  const writes: KvOperation[] = [];
  const lease = { session: (await world.session()).id as string | undefined };
  const made: Bench = {
    announcer: new Announcer({
      collector: new Collector(() => 0),
      url: 'http://127.0.0.1:9464',
      lease,
      write: async (operations) => {
        writes.push(...operations);
        return made.answer ?? transact(world.client, undefined, operations);
      },
      now: () => performance.now(),
      wallNow: () => made.wallMs,
    }),
    ...{ writes, lease, wallMs: WALL_MS, answer: undefined },
    async entry() {
      const found = await transact(world.client, undefined, [{ verb: 'get-tree', key: announcementKey(service) }]);
      const [pair] = found.kind === 'done' ? found.pairs : [];
      if (pair === undefined) throw new Error('nothing was announced');
      const session = pair.session === undefined ? {} : { session: pair.session };
      return { value: JSON.parse(pair.value.toString()), ...session };
    },
  };
  onTestFinished(() => made.announcer.close());
  return made;
}

describe('an announcer', () => {
  it('writes when the window changes or the session does, and at no other time', async () => {
    const { announcer, writes, lease, entry } = await bench('few');
    for (let look = 0; look < 5; look += 1) await announcer.announce('few', progressOf('few', { results: [] }));
    for (let look = 0; look < 5; look += 1) await announcer.announce('few', progressOf('few', { window: open }));
    expect(writes).toHaveLength(2);
    const first = await entry();
    expect(first).toMatchObject({
      session: lease.session,
      value: { url: 'http://127.0.0.1:9464', window: { id: 'r1/1' } },
    });
    await world.consul.dc('dc1').request('PUT', `/v1/session/destroy/${lease.session}`);
    expect(await entry()).not.toHaveProperty('session');
    lease.session = (await world.session()).id;
    // By itself: nobody tells it of a new session.
    await expect.poll(entry).toEqual({ ...first, session: lease.session });
    await announcer.announce('few', progressOf('few', { state: { kind: 'completed', atMs: 1 } }));
    expect((await entry()).value).not.toHaveProperty('window');
    expect(writes).toHaveLength(4);
    expect(Math.max(...writes.map((each) => ('value' in each ? each.value.length : 0)))).toBeLessThan(1024);
  });

  it('says when an initial delay is over, and tries again what Consul did not take', async () => {
    const made = await bench('late');
    const delayed = progressOf('late', { window: { ...open, sinceMs: WALL_MS + 1000 } });
    await made.announcer.announce('late', delayed);
    expect((await made.entry()).value).not.toHaveProperty('window');
    made.answer = { kind: 'unknown', reason: 'no answer within 10000 ms' };
    made.wallMs = WALL_MS + 1000;
    await expect.poll(() => made.announcer.status('late').problem).toMatch(/no answer/);
    expect(made.announcer.status('late').window).toBeUndefined();
    made.answer = undefined;
    await expect.poll(() => made.announcer.status('late').window).toMatchObject({ id: 'r1/1' });
    expect((await made.entry()).value.window).toMatchObject({ id: 'r1/1' });
  });

  it('says nothing in the place of another controller, nor of a rollout that it does not drive any more', async () => {
    const [first, second] = [await bench('one'), await bench('one')];
    await first.announcer.announce('one', progressOf('one', { window: open }));
    await second.announcer.announce('one', progressOf('one', { window: open }));
    expect(second.announcer.status('one')).toMatchObject({
      window: undefined,
      problem: expect.stringMatching(/lock/),
    });
    expect((await first.entry()).session).toBe(first.lease.session);
    first.announcer.leave('one');
    const { length } = first.writes;
    first.lease.session = (await world.session()).id;
    await new Promise((resolve) => setTimeout(resolve, 700));
    expect(first.writes).toHaveLength(length);
  });
});
