import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { DeploymentAnswer, DeploymentQuestion } from '../../../../../src/ops/rollout/deployment/deployment';
import { createDeployer } from '../../../../../src/ops/rollout/deployment/nomad';
import { type NomadDeployment, type ScriptedNomad, startScriptedNomad } from '../../../../support/scripted-nomad';

let nomad: ScriptedNomad;
let nowMs = 0;

beforeEach(async () => {
  nomad = await startScriptedNomad();
});
afterEach(() => nomad.stop());

const env = { NOMAD_TOKEN: 's3cret-of-nomad' };
const boundOf = ({ ID: id, JobVersion: version }: NomadDeployment) => ({ id, version });

function ask(verb: DeploymentQuestion['verb'], bound?: NomadDeployment, name = 'nomad'): Promise<DeploymentAnswer> {
  const question = { verb, name, service: 'payments', rollout: 'r1', bound: bound && boundOf(bound) };
  return createDeployer({ config: nomad.config, env }, () => nowMs).ask(question);
}

const group = (change: object): NomadDeployment['TaskGroups'] => ({
  api: { Promoted: false, DesiredCanaries: 1, ...change },
});

describe('the deployment of a rollout', () => {
  it.each([
    ['one that waits for its promotion', {}, 'done', /^deployment \w{8} of job payments, version 1$/],
    ['one that a person has paused', { Status: 'paused' }, 'done', /version 1$/],
    ['one without canaries', { TaskGroups: group({ DesiredCanaries: 0 }) }, 'waiting', /: without canaries \(expected/],
    ['one that was promoted', { TaskGroups: group({ Promoted: true }) }, 'waiting', /: promoted already \(expected/],
    ['one that is over', { Status: 'successful' }, 'waiting', /: successful \(expected: one with canaries/],
    ['one that failed', { Status: 'failed' }, 'waiting', /: failed \(expected/],
    ['one without groups', { TaskGroups: undefined as never }, 'waiting', /: without canaries/],
    ['an ID that is none', { ID: '../../job/other' }, 'waiting', /has no deployment/],
  ] as const)('is looked for: %s', async (_, change, kind, message) => {
    const made = nomad.deploy('payments', change as Partial<NomadDeployment>);
    const answer = await ask('find');
    expect(answer).toMatchObject({ kind, message: expect.stringMatching(message) as string });
    if (answer.kind === 'done') expect(answer.bound).toEqual(boundOf(made));
  });

  it('is waited for: no job yet, and the latest one of a job counts', async () => {
    expect(await ask('find')).toMatchObject({
      kind: 'waiting',
      message: expect.stringMatching(/job payments has no deployment/),
    });
    nomad.deploy('payments');
    nomad.deploy('orders');
    const latest = nomad.deploy('payments');
    expect(await ask('find')).toMatchObject({ kind: 'done', bound: boundOf(latest) });
  });

  it.each([
    ['runs', {}, 'waiting', /is running: Deployment is running but requires manual promotion$/],
    ['was promoted by somebody', { TaskGroups: group({ Promoted: true }) }, 'done', /is running, promoted$/],
    ['is through', { Status: 'successful' }, 'done', /is successful, promoted$/],
    ['failed', { Status: 'failed', StatusDescription: 'Failed due to unhealthy allocations' }, 'over', /: Failed due/],
    ['gave way to a newer version', { Status: 'cancelled' }, 'over', /is cancelled/],
    ['is of another job', { JobID: 'orders' }, 'over', /is of job orders \(expected: payments\)$/],
  ] as const)('is watched: it %s', async (_, change, kind, message) => {
    const made = nomad.deploy('payments', change as Partial<NomadDeployment>);
    expect(await ask('look', made)).toMatchObject({ kind, message: expect.stringMatching(message) as string });
  });

  it('is asked for every 5 s at most, and afresh after it was promoted', async () => {
    const made = nomad.deploy('payments');
    const deployer = createDeployer({ config: nomad.config, env }, () => nowMs);
    const question = { name: 'nomad', service: 'payments', rollout: 'r1', bound: boundOf(made) };
    for (let turn = 0; turn < 11; turn += 1) {
      await deployer.ask({ ...question, verb: 'look' });
      nowMs += 1_000;
    }
    expect(nomad.requests).toHaveLength(3);
    await deployer.ask({ ...question, verb: 'promote' });
    expect(await deployer.ask({ ...question, verb: 'look' })).toMatchObject({ kind: 'done' });
  });

  it.each(['promote', 'fail'] as const)('is told to %s once, however often it is asked', async (verb) => {
    const made = nomad.deploy('payments');
    nomad.loseAnswers(1);
    expect(await ask(verb, made)).toMatchObject({ kind: 'waiting', message: expect.stringMatching(/^Nomad: /) });
    for (let turn = 0; turn < 3; turn += 1) expect(await ask(verb, made)).toMatchObject({ kind: 'done' });
    expect(nomad.requests.filter((one) => one.startsWith('POST'))).toEqual([`POST /v1/deployment/${verb}/${made.ID}`]);
    expect(nomad.token).toBe(env.NOMAD_TOKEN);
  });

  it('is neither promoted nor failed when it is of another job, gone, or over', async () => {
    const other = nomad.deploy('orders');
    const gone = { ...other, ID: randomUUID() };
    const failed = nomad.deploy('payments', { Status: 'failed' });
    expect(await ask('promote', other)).toMatchObject({ kind: 'over' });
    expect(await ask('fail', other)).toMatchObject({ kind: 'over' });
    expect(await ask('promote', gone)).toMatchObject({
      kind: 'over',
      message: expect.stringMatching(/knows deployment \w{8} no more/),
    });
    expect(await ask('promote', failed)).toMatchObject({ kind: 'over' });
    expect(await ask('fail', failed)).toMatchObject({ kind: 'done', message: expect.stringMatching(/is failed$/) });
    expect(nomad.requests.filter((one) => one.startsWith('POST'))).toEqual([]);
  });

  it.each([
    [{ status: 403, text: 'Permission denied' }, 'Nomad: HTTP 403: Permission denied'],
    [{ status: 500, text: 'rpc error: No cluster leader\n' }, 'Nomad: HTTP 500: rpc error: No cluster leader'],
    [{ status: 502, text: `<pre>x-nomad-token: ${env.NOMAD_TOKEN}` }, 'Nomad: HTTP 502: <pre>x-nomad-token: [token]'],
    [{ status: 429, text: '' }, 'Nomad: HTTP 429'],
    [{ status: 200, text: 'null' }, 'Nomad: an answer that is no deployment'],
  ])('is waited for while Nomad answers %j', async (answer, message) => {
    const made = nomad.deploy('payments');
    nomad.refuse(answer);
    for (const verb of ['look', 'promote', 'fail'] as const) {
      expect(await ask(verb, made)).toEqual({ kind: 'waiting', message });
    }
  });

  it('is unknown where the file of the controller has no such name', async () => {
    const expected = 'deployment other: not known to this controller (expected: one of its deployments; nomad)';
    expect(await ask('find', undefined, 'other')).toEqual({ kind: 'unknown', message: expected });
    expect(await ask('find', undefined, '__proto__')).toMatchObject({ kind: 'unknown' });
  });

  it('is that of the job, the namespace and the region that the file names', async () => {
    const settings = { address: `${nomad.address}/`, job: 'shop/api', namespace: 'shop', region: 'eu' };
    const config = { ...nomad.config, deployments: new Map([['nomad', { nomad: settings }]]) };
    nomad.deploy('shop/api');
    const deployer = createDeployer({ config, env }, () => nowMs);
    const question = { verb: 'find', name: 'nomad', service: 'payments', rollout: 'r1', bound: undefined } as const;
    expect(await deployer.ask(question)).toMatchObject({ kind: 'done' });
    expect(nomad.requests).toEqual(['GET /v1/job/shop%2Fapi/deployment?namespace=shop&region=eu']);
    expect(nomad.token).toBeUndefined();
  });
});
