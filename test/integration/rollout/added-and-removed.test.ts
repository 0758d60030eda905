import { describe, expect, it } from 'vitest';
import { beginRollout, controlRollout } from '../../../src/ops/rollout/control';
import type { RolloutDocument } from '../../../src/ops/rollout/document';
import { documentText } from '../../../src/ops/store/policy-text';
import type { PolicyDocument, RouteDocument } from '../../../src/policy/document';
import { applied, drive, rolloutOf, rolloutWorld, splitPolicy } from './rollout-world';

const world = rolloutWorld();

const STEPS: RolloutDocument['steps'] = [
  { setMirror: { percent: 20, compare: { ignore: ['updated_at'] } } },
  { pause: { durationMs: 50 } },
  { setRoute: { name: 'ab-test', match: { labels: { 'x-gray': 'canary' } } } },
  { pause: { durationMs: 50 } },
  { clearRoute: 'ab-test' },
  { setRoute: { name: 'testers', match: { labels: { 'x-tester': { present: true } } } } },
  { setWeight: 50 },
  { pause: {} },
];

/** Names of the routes, and the mirror of the one that is moved, in each policy that the rollout wrote. */
async function written(service: string): Promise<readonly string[]> {
  const { history } = await world.policy(service);
  const own = history.filter(({ entry }) => entry?.kind === 'rollout');
  return own.map(({ entry }) => {
    const { routes = [] } = JSON.parse(entry?.document ?? '{}') as PolicyDocument;
    const copies = ({ mirror }: RouteDocument): string => (mirror === undefined ? '' : ` +${mirror.percent} %`);
    return routes.map((route) => `${route.name}${copies(route)}`).join(', ');
  });
}

describe('what a rollout puts into the policy', { timeout: 60_000 }, () => {
  it.each([
    ['kept', 'keep', 'promote-full'],
    ['promoted', 'promote', 'promote-full'],
    ['aborted', 'keep', 'abort'],
  ] as const)('it takes out at its end, whatever the end is: %s', async (service, onSuccess, command) => {
    await world.begin(service, { steps: STEPS, onSuccess });
    const { id } = await world.session();
    const deps = world.deps({ tickMs: 30 });
    const waits = async (): Promise<boolean> => {
      const { state } = (await world.record(service)).progress;
      return state.kind === 'paused' && !('untilMs' in state);
    };
    while (!(await waits())) await drive(service, id, deps, () => true);
    const control = { policies: world.policies, rollouts: world.rollouts, by: 'tester', now: Date.now };
    expect((await controlRollout(service, command, control)).kind).toBe('done');
    await drive(service, id, deps);
    expect((await written(service)).slice(0, 5)).toEqual([
      'everyone +20 %',
      'ab-test, everyone +20 %',
      'everyone +20 %',
      'testers, everyone +20 %',
      'testers, everyone +20 %',
    ]);
    expect((await written(service)).at(-1)).toBe('everyone');
    const { policy } = await world.policy(service);
    const [everyone] = (JSON.parse(policy?.text ?? '{}') as PolicyDocument).routes ?? [];
    expect(everyone).not.toHaveProperty('mirror');
  });

  it('ends by a step, too', async () => {
    const steps: RolloutDocument['steps'] = [
      { setMirror: { percent: 100 } },
      { setMirror: { percent: 0 } },
      { setWeight: 100 },
    ];
    await world.begin('copied', { steps });
    const { id } = await world.session();
    await drive('copied', id, world.deps({ tickMs: 30 }));
    expect(await written('copied')).toEqual(['everyone +100 %', 'everyone', 'everyone']);
  });

  it('is not what somebody else has put there: a rollout that copies is refused where a route copies already', async () => {
    const service = 'copies-already';
    const { routes: [route] = [], ...policy } = splitPolicy(service, 0);
    if (route === undefined) throw new Error('no route');
    const mirrored = { ...policy, routes: [{ ...route, mirror: { to: 'canary', percent: 1 } }] };
    const before = await world.policy(service);
    await world.policies.write({ before, ...applied, text: documentText(mirrored) });
    const control = { policies: world.policies, rollouts: world.rollouts, by: 'tester', now: Date.now };
    expect(await beginRollout(rolloutOf(service, { steps: STEPS }), control)).toEqual({
      kind: 'refused',
      reason: 'steps: setMirror: route everyone has a mirror already (expected: none)',
      nextStep: 'leave one of them out',
    });
    // One without copies leaves them where they are.
    expect((await beginRollout(rolloutOf(service), control)).kind).toBe('done');
    const { id } = await world.session();
    await drive(service, id, world.deps({ tickMs: 30 }));
    expect((await written(service)).at(-1)).toBe('everyone +1 %');
  });
});
