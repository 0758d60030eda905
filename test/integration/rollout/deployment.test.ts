import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { beginRollout, controlRollout } from '../../../src/ops/rollout/control';
import { createDeployer } from '../../../src/ops/rollout/deployment/nomad';
import type { RolloutDocument } from '../../../src/ops/rollout/document';
import { type RolloutContext, reconcile } from '../../../src/ops/rollout/reconcile';
import { documentText } from '../../../src/ops/store/policy-text';
import { printFact } from '../../support/figure';
import { type ScriptedNomad, startScriptedNomad } from '../../support/scripted-nomad';
import { diesIn, dyingClient } from './fixtures/dying-client';
import { applied, drive, rolloutOf, rolloutWorld, splitPolicy } from './rollout-world';

const world = rolloutWorld();

let nomad: ScriptedNomad;
beforeAll(async () => {
  nomad = await startScriptedNomad();
});
afterAll(() => nomad.stop());
afterEach(() => nomad.refuse(undefined));

/** Time passes by a second at each look. */
function deps(settings: Parameters<typeof world.deps>[0] = {}): RolloutContext {
  const base = world.deps({ tickMs: 1_000, ...settings });
  return {
    ...base,
    askDeployment: createDeployer({ config: nomad.config, env: { NOMAD_TOKEN: 's3cret-of-nomad' } }, base.now).ask,
  };
}

const STEPS: Partial<RolloutDocument> = {
  deployment: 'nomad',
  steps: [{ setWeight: 5 }, { pause: { durationMs: 20_000 } }, { setWeight: 25 }],
};

function abort(service: string) {
  const { policies, rollouts } = world;
  return controlRollout(service, 'abort', { policies, rollouts, by: 'alice', now: Date.now });
}

const asksOf = (verb: string, id: string): number =>
  nomad.requests.filter((one) => one === `POST /v1/deployment/${verb}/${id}`).length;
const isIdle = ({ kind }: { readonly kind: string }): boolean => kind === 'idle';

async function events(service: string): Promise<readonly string[]> {
  const { transitions } = await world.record(service);
  return transitions.filter(({ event }) => event === 'deployment').map(({ message }) => message);
}

describe('a rollout of a deployment', { timeout: 60_000 }, () => {
  it('finds it, promotes it at the end, and gives the share back', async () => {
    await world.begin('whole', STEPS);
    const { id } = await world.session();
    // Nothing begins before the job has a deployment that waits.
    await drive('whole', id, deps(), isIdle);
    expect((await world.record('whole')).progress.waitingFor).toMatch(/^job whole has no deployment/);
    const { ID, TaskGroups } = nomad.deploy('whole');
    const before: unknown[] = [];
    nomad.onPromoted = async () => void before.push(...(await world.written('whole')));
    await drive('whole', id, deps());
    nomad.onPromoted = () => {};
    expect(TaskGroups['api']?.Promoted).toBe(true);
    expect(before).toEqual([5, 25]);
    expect(await world.written('whole')).toEqual([5, 25, 0]);
    const short = ID.slice(0, 8);
    expect(await events('whole')).toEqual([
      `deployment ${short} of job whole, version 1`,
      `deployment ${short} of job whole promoted`,
    ]);
    const { progress } = await world.record('whole');
    expect(progress).toMatchObject({ state: { kind: 'completed' }, weight: 0, deployment: { id: ID, version: 1 } });
    const { history } = await world.policy('whole');
    expect(history.at(-1)?.entry?.message).toBe('finished: stable has all calls, the promoted canary among it');
  });

  it('fails it when the canary is taken back, whatever Nomad says at first', async () => {
    const { ID } = nomad.deploy('back');
    await world.begin('back', STEPS);
    const { id } = await world.session();
    await drive('back', id, deps(), ({ kind }) => kind === 'idle');
    nomad.refuse({ status: 500, text: 'No cluster leader' });
    await abort('back');
    await drive('back', id, deps(), isIdle);
    // The canary has no calls already.
    expect(await world.written('back')).toEqual([5, 0]);
    expect((await world.record('back')).progress.waitingFor).toBe('Nomad: HTTP 500: No cluster leader');
    nomad.refuse(undefined);
    expect((await drive('back', id, deps())).kind).toBe('ended');
    expect(nomad.deployments.get(ID)?.Status).toBe('failed');
    expect((await events('back')).at(-1)).toBe(`deployment ${ID.slice(0, 8)} of job back failed`);
  });

  it('ends though Nomad never answers: that it was not failed is in the history', async () => {
    nomad.deploy('silent');
    await world.begin('silent', STEPS);
    const { id } = await world.session();
    await drive('silent', id, deps(), isIdle);
    nomad.refuse({ status: 503, text: '' });
    await abort('silent');
    await drive('silent', id, deps({ tickMs: 30_000 }));
    nomad.refuse(undefined);
    expect(await world.written('silent')).toEqual([5, 0]);
    expect((await events('silent')).at(-1)).toBe('Nomad: HTTP 503');
  });

  it.each([
    ['failed', 'Failed due to progress deadline', /is failed: Failed due to progress deadline$/],
    ['cancelled', 'Cancelled due to newer version of job', /is cancelled: /],
  ] as const)('takes the canary back when the deployment is %s', async (Status, StatusDescription, message) => {
    const service = `ended-${Status}`;
    const deployment = nomad.deploy(service);
    await world.begin(service, STEPS);
    const { id } = await world.session();
    await drive(service, id, deps(), isIdle);
    if (Status === 'cancelled') nomad.deploy(service);
    else Object.assign(deployment, { Status, StatusDescription });
    await drive(service, id, deps());
    const { progress } = await world.record(service);
    expect(progress.state).toMatchObject({
      kind: 'aborted',
      why: 'deployment',
      message: expect.stringMatching(message) as string,
    });
    expect(await world.written(service)).toEqual([5, 0]);
    // The newer one is not this rollout's.
    for (const { ID } of nomad.deployments.values()) expect(asksOf('promote', ID) * asksOf('fail', ID)).toBe(0);
    expect(asksOf('fail', deployment.ID)).toBe(0);
  });

  it('ends when somebody else has promoted it: nobody bears the tags of the canary any more', async () => {
    const { TaskGroups, ID } = nomad.deploy('by-hand');
    await world.begin('by-hand', STEPS);
    const { id } = await world.session();
    await drive('by-hand', id, deps(), isIdle);
    Object.assign(TaskGroups['api'] ?? {}, { Promoted: true });
    await drive('by-hand', id, deps());
    expect(await world.written('by-hand')).toEqual([5, 0]);
    expect((await world.record('by-hand')).progress.state.kind).toBe('completed');
    expect(asksOf('promote', ID)).toBe(0);
  });

  it('never touches a deployment that is not of its job, whatever stands in the record', async () => {
    const foreign = nomad.deploy('orders');
    const { ID } = nomad.deploy('forged');
    await world.begin('forged', STEPS);
    const { id } = await world.session();
    await drive('forged', id, deps(), isIdle);
    const text = JSON.stringify(await world.record('forged')).replaceAll(ID, foreign.ID);
    await world.consul.dc('dc1').putKv('graylane/rollouts/forged', text);
    await drive('forged', id, deps());
    expect((await world.record('forged')).progress.state).toMatchObject({
      kind: 'aborted',
      message: expect.stringContaining('is of job orders (expected: forged)') as string,
    });
    expect([asksOf('promote', foreign.ID), asksOf('fail', foreign.ID), foreign.Status]).toEqual([0, 0, 'running']);
    await world.consul.dc('dc1').putKv('graylane/rollouts/forged', text.replaceAll(foreign.ID, '../../x'));
    await expect(world.record('forged')).rejects.toThrow();
  });

  it('needs a fallback of the canary', async () => {
    const { policies, rollouts } = world;
    const subsets = { stable: { tags: ['stable'] }, canary: { tags: ['canary'] } };
    const before = await policies.read('bare', undefined);
    await policies.write({ before, ...applied, text: documentText(splitPolicy('bare', 0, { subsets })) });
    const begun = await beginRollout(rolloutOf('bare', STEPS), { policies, rollouts, by: 'tester', now: Date.now });
    expect(begun).toMatchObject({
      kind: 'refused',
      reason: expect.stringMatching(/^subsets\.canary\.fallback: missing/) as string,
    });
  });

  it('survives controllers that die at any write: promoted or failed once, no step twice', async () => {
    let deaths = 0;
    for (const end of ['promote', 'fail'] as const) {
      for (let nth = 1, died = true; died; nth += 1) {
        for (const when of ['before', 'after'] as const) {
          const service = `dies-${end}-${when}-${nth}`;
          const { ID } = nomad.deploy(service);
          await world.begin(service, { ...STEPS, steps: [{ setWeight: 5 }, { setWeight: 25 }] });
          if (end === 'fail') {
            const before = await world.session();
            for (let turn = 0; turn < 4; turn += 1) await reconcile(service, before.id, deps());
            await before.end();
            await abort(service);
          }
          const first = await world.session();
          const dying = deps({ client: dyingClient(world.client, nth, when) });
          died = await diesIn(drive(service, first.id, dying, () => false, 60));
          if (died) deaths += 1;
          const second = await world.session();
          await first.end();
          expect((await drive(service, second.id, deps())).kind).toBe('ended');
          const written = await world.written(service);
          expect(written.at(-1) ?? 0).toBe(0);
          if (end === 'promote') expect(written).toEqual([5, 25, 0]);
          expect([asksOf('promote', ID), asksOf('fail', ID)]).toEqual(end === 'promote' ? [1, 0] : [0, 1]);
        }
      }
    }
    printFact('controllers that died at a write of a rollout with a deployment', `${deaths}, promoted or failed once`);
    expect(deaths).toBeGreaterThan(10);
  });
});
