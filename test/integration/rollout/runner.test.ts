import { describe, expect, it } from 'vitest';
import { beginRollout, controlRollout } from '../../../src/ops/rollout/control';
import type { NotificationMessage } from '../../../src/ops/rollout/notify';
import { reconcile } from '../../../src/ops/rollout/reconcile';
import { MAX_RECORD_BYTES } from '../../../src/ops/rollout/record';
import { documentText } from '../../../src/ops/store/policy-text';
import { applied, canaryShare, drive, rolloutOf, rolloutWorld, splitPolicy } from './rollout-world';

const world = rolloutWorld();
const control = (by = 'operator'): Parameters<typeof controlRollout>[2] => {
  const { policies, rollouts } = world;
  return { policies, rollouts, by, now: Date.now };
};

async function byHand(service: string, text: string): Promise<void> {
  const outcome = await world.policies.write({ before: await world.policy(service), text, ...applied });
  if (outcome.kind !== 'written') throw new Error(outcome.kind);
}

async function share(service: string): Promise<number> {
  return canaryShare((await world.policy(service)).policy?.text ?? '');
}

describe('a rollout', () => {
  it('writes each weight as rollout/<id>, with the reason, and promotes stable to what canary was', async () => {
    const { progress } = await world.begin('promoted', { onSuccess: 'promote' });
    const { id } = await world.session();
    await drive('promoted', id, world.deps({ tickMs: 30 }));
    expect(await world.written('promoted')).toEqual([0, 5, 25, 50, 100, 0]);
    const { history, policy } = await world.policy('promoted');
    expect(history.slice(1).map(({ entry }) => entry?.author)).toEqual(Array(6).fill(`rollout/${progress.id}`));
    expect(history.slice(1).map(({ entry }) => entry?.message)).toEqual([
      'step 1 of 8: route testers to canary',
      'step 2 of 8: canary to 5 %',
      'step 4 of 8: canary to 25 %',
      'step 6 of 8: canary to 50 %',
      'step 8 of 8: canary to 100 %',
      'promoted: stable is what canary was',
    ]);
    const { transitions } = await world.record('promoted');
    expect(transitions.flatMap(({ policy: number }) => number ?? [])).toEqual([2, 3, 4, 5, 6, 7]);
    const document = JSON.parse(policy?.text ?? '');
    expect(document.subsets).toEqual({
      stable: { tags: ['canary'] },
      canary: { tags: ['canary'], fallback: 'stable' },
    });
    expect(document.routes.map(({ name }: { readonly name: string }) => name)).toEqual(['everyone']);
  });

  it('that fails is taken back in one write, with figures in the history, and whoever is named is told', async () => {
    const notices: NotificationMessage[] = [];
    const checks = [{ check: 'value', name: 'errors', provider: 'script', failureCondition: 'result > 1' }] as const;
    const analysis = { background: false, intervalMs: 100, count: 2, checks };
    const steps = [
      { setWeight: 5 },
      { setRoute: { name: 'testers', match: { labels: { x: 'y' } } } },
      { analysis: {} },
      { setWeight: 50 },
    ];
    await world.begin('failing', { analysis, steps, notify: ['log'] });
    const { id } = await world.session();
    const tries: (string | undefined)[] = ['notify log: ended with 1'];
    const deps = world.deps({
      tickMs: 60,
      measure: async () => ({ values: { errors: { result: 7 } } }),
      notify: async (_hooks, message) => {
        notices.push(message);
        return tries.shift();
      },
    });
    await drive('failing', id, deps);
    expect(await world.written('failing')).toEqual([5, 5, 0]);
    const { history, policy } = await world.policy('failing');
    expect(history.at(-1)?.entry?.message).toMatch(/^rolled back, canary to 0 %: errors: .*7/);
    expect(policy?.text).not.toContain('testers');
    const { progress, transitions } = await world.record('failing');
    expect(progress.state).toMatchObject({ kind: 'aborted', why: 'analysis' });
    expect(transitions.map(({ event }) => event).slice(-3)).toEqual(['aborted', 'rollback', 'notify']);
    // The first attempt was not taken; the second bears the same id.
    expect(notices.map(({ event }) => event)).toEqual(['aborted', 'aborted']);
    expect(new Set(notices.map(({ id: each }) => each)).size).toBe(1);
  });

  it('goes on when nobody takes its notices, and says so', async () => {
    await world.begin('unheard', { notify: ['log'] });
    const { id } = await world.session();
    await drive('unheard', id, world.deps({ tickMs: 30, notify: async () => 'notify log: ended with 1' }));
    const { transitions } = await world.record('unheard');
    expect(transitions.at(-1)).toMatchObject({ event: 'notify', message: 'completed: notify log: ended with 1' });
  });

  it('waits for instances that can carry the weight, says for what, and goes on by itself', async () => {
    await world.begin('heavy');
    const { id } = await world.session();
    let isReady = false;
    const overloads = async (): Promise<readonly string[]> => {
      return isReady ? [] : ['canary would get 3.0 times its fair share'];
    };
    const deps = world.deps({ tickMs: 30, overloads });
    await drive('heavy', id, deps, ({ kind }) => kind === 'idle');
    expect((await world.record('heavy')).progress.waitingFor).toBe('canary would get 3.0 times its fair share');
    expect((await world.record('heavy')).transitions.at(-1)).toMatchObject({ event: 'waiting' });
    const { stamp } = await world.record('heavy');
    await reconcile('heavy', id, deps);
    expect(await world.record('heavy')).toMatchObject({ stamp });
    isReady = true;
    await drive('heavy', id, deps);
    expect(await world.written('heavy')).toEqual([0, 5, 25, 50, 100, 100]);
  });

  it('is held to what Consul can keep in one transaction', async () => {
    const { policies, rollouts } = world;
    const steps = Array.from({ length: 100 }, (_, at) => ({
      setRoute: { name: `testers-${at}`, match: { labels: { 'x-gray': { in: Array(40).fill('x'.repeat(20)) } } } },
    }));
    await byHand('large', documentText(splitPolicy('large', 0)));
    const begun = await beginRollout(rolloutOf('large', { steps }), { policies, rollouts, by: 'me', now: Date.now });
    expect(begun).toMatchObject({
      kind: 'refused',
      reason: expect.stringContaining(`at most ${MAX_RECORD_BYTES / 2}`),
    });
  });
});

describe('a change by somebody else', () => {
  it('to the weight pauses the rollout, is not fought, and is gone on from when somebody resumes', async () => {
    await world.begin('edited');
    const { id } = await world.session();
    const deps = world.deps({ tickMs: 30 });
    await drive('edited', id, deps, ({ kind }) => kind === 'acted');
    while ((await share('edited')) !== 5) await reconcile('edited', id, deps);
    await byHand('edited', documentText(splitPolicy('edited', 9)));
    await drive('edited', id, deps, ({ kind }) => kind === 'idle');
    for (let turn = 0; turn < 5; turn += 1) await reconcile('edited', id, deps);
    expect(await share('edited')).toBe(9);
    const { progress } = await world.record('edited');
    expect(progress.state).toMatchObject({
      kind: 'paused',
      why: 'manual-change',
      message: 'the policy was changed: somebody wrote number 4 ("by hand")',
    });
    expect((await controlRollout('edited', 'resume', control())).kind).toBe('done');
    await drive('edited', id, deps);
    // The route of testers went with the edit, so that its end changes nothing.
    expect((await world.written('edited')).slice(-3)).toEqual([25, 50, 100]);
  });

  it('that comes between reading and writing wins, and nothing of it is lost', async () => {
    await world.begin('raced');
    const { id } = await world.session();
    let isFirst = true;
    const overloads = async (): Promise<readonly string[]> => {
      if (isFirst) await byHand('raced', documentText(splitPolicy('raced', 0, { timeoutMs: 700 })));
      isFirst = false;
      return [];
    };
    const deps = world.deps({ tickMs: 30, overloads });
    await drive('raced', id, deps, ({ kind }) => kind === 'lost');
    await drive('raced', id, deps, ({ kind }) => kind === 'idle');
    expect((await world.record('raced')).progress.state).toMatchObject({ kind: 'paused', why: 'manual-change' });
    expect((await world.policy('raced')).policy?.text).toContain('"timeoutMs": 700');
  });

  it('by an override pauses, and resume is refused until the override is over', async () => {
    await world.begin('overridden');
    const { id } = await world.session();
    const until = new Date(Date.now() + 60_000).toISOString();
    await byHand('overridden', documentText(splitPolicy('overridden', 0, { override: { to: 'stable', until } })));
    await drive('overridden', id, world.deps(), ({ kind }) => kind === 'idle');
    expect((await world.record('overridden')).progress.state).toMatchObject({
      message: expect.stringContaining(`an override to stable is in force until ${until}`),
    });
    expect(await controlRollout('overridden', 'resume', control())).toEqual({
      kind: 'refused',
      reason: `an override to stable is in force until ${until}`,
      nextStep: 'run graylane override clear overridden',
    });
  });

  it.each([
    ['that is no policy', '{"schema":1,"service":"x","routes":7}', /the policy in Consul is not valid: /],
    ['that takes it away', undefined, /the policy of .* is gone/],
  ])('%s pauses, and resume is refused until there is one', async (name, text, message) => {
    const service = name.replaceAll(' ', '-');
    await world.begin(service);
    const { id } = await world.session();
    const agent = world.consul.dc('dc1');
    if (text === undefined) await agent.deleteKv(`graylane/policies/${service}`);
    else await agent.putKv(`graylane/policies/${service}`, text);
    await drive(service, id, world.deps(), ({ kind }) => kind === 'idle');
    const { state } = (await world.record(service)).progress;
    expect(state).toMatchObject({ kind: 'paused', why: 'invalid-policy', message: expect.stringMatching(message) });
    expect(await controlRollout(service, 'resume', control())).toMatchObject({ kind: 'refused' });
    await byHand(service, documentText(splitPolicy(service, 0)));
    expect(await controlRollout(service, 'resume', control())).toMatchObject({ kind: 'done' });
    await drive(service, id, world.deps({ tickMs: 30 }));
    expect((await world.record(service)).progress.state.kind).toBe('completed');
  });

  it('does not keep an abort from taking the weight out of what they left', async () => {
    await world.begin('both');
    const { id } = await world.session();
    await byHand('both', documentText(splitPolicy('both', 40, { timeoutMs: 700 })));
    await drive('both', id, world.deps(), ({ kind }) => kind === 'idle');
    expect((await controlRollout('both', 'abort', control())).kind).toBe('done');
    await drive('both', id, world.deps());
    expect(await share('both')).toBe(0);
    expect((await world.policy('both')).policy?.text).toContain('"timeoutMs": 700');
  });
});

describe('who else wants something', () => {
  it('a second rollout of the service is refused with whose is under way; after its end it may begin', async () => {
    const { progress } = await world.begin('twice');
    const { policies, rollouts } = world;
    const deps = { policies, rollouts, by: 'another', now: Date.now };
    expect(await beginRollout(rolloutOf('twice'), deps)).toEqual({
      kind: 'refused',
      reason: `a rollout of twice is under way: ${progress.id} of tester, running at step 1`,
      nextStep: 'run graylane rollout status twice, or abort it',
    });
    await controlRollout('twice', 'abort', control());
    const { id } = await world.session();
    await drive('twice', id, world.deps());
    expect((await beginRollout(rolloutOf('twice'), deps)).kind).toBe('done');
    expect((await world.record('twice')).past).toMatchObject([
      { id: progress.id, result: 'aborted', startedBy: 'tester' },
    ]);
  });

  it('of two that begin at once one wins and the other is told', async () => {
    await byHand('at-once', documentText(splitPolicy('at-once', 0)));
    const { policies, rollouts } = world;
    const begin = (by: string): ReturnType<typeof beginRollout> =>
      beginRollout(rolloutOf('at-once'), { policies, rollouts, by, now: Date.now });
    const kinds = (await Promise.all([begin('a'), begin('b'), begin('c')])).map(({ kind }) => kind);
    expect(kinds.sort()).toEqual(['done', 'refused', 'refused']);
  });

  it('two controllers at once do each step once', async () => {
    await world.begin('contested');
    const sessions = [await world.session(), await world.session()];
    const kinds = new Set<string>();
    const run = async (id: string): Promise<void> => {
      await drive('contested', id, world.deps({ tickMs: 30 }), ({ kind }) => !kinds.add(kind).has(kind), 2000);
    };
    await Promise.all(sessions.map(({ id }) => run(id)));
    expect(kinds).toContain('standby');
    expect(await world.written('contested')).toEqual([0, 5, 25, 50, 100, 100]);
  });

  it('people who pause, resume and promote while it runs lose nothing, and what cannot be is said', async () => {
    await world.begin('asked', {
      steps: [{ setWeight: 5 }, { pause: {} }, { setWeight: 50 }, { pause: {} }, { setWeight: 100 }],
    });
    const { id } = await world.session();
    const deps = world.deps({ tickMs: 30 });
    expect(await controlRollout('asked', 'resume', control())).toMatchObject({
      reason: 'the rollout of asked is running: nothing to resume',
    });
    await controlRollout('asked', 'pause', control());
    await drive('asked', id, deps, ({ kind }) => kind === 'idle');
    expect(await share('asked')).toBe(0);
    await controlRollout('asked', 'resume', control());
    await drive('asked', id, deps, ({ kind }) => kind === 'idle');
    expect(await share('asked')).toBe(5);
    await controlRollout('asked', 'promote-full', control());
    await drive('asked', id, deps);
    expect(await world.written('asked')).toEqual([5, 100]);
    expect(await controlRollout('asked', 'pause', control())).toMatchObject({
      reason: expect.stringMatching(/^the rollout \S+ of asked is completed$/),
    });
    expect(await controlRollout('nobody', 'pause', control())).toMatchObject({ reason: 'nobody has no rollout' });
  });
});
