import { expect, it } from 'vitest';
import { createGraylane } from '../../../src/index';
import { runRollout } from '../../../src/ops/rollout/controller';
import { createDeployer } from '../../../src/ops/rollout/deployment/nomad';
import { parseRollout } from '../../../src/ops/rollout/validate';
import { startLoad } from '../../faults/fixtures/load';
import { closeAfterEach } from '../../support/closers';
import { charge, type PaymentsServer, paymentsClient, startPaymentsServer } from '../../support/payments';
import { startScriptedNomad } from '../../support/scripted-nomad';
import { fencesOf } from '../docs/fences';
import { rolloutWorld } from '../rollout/rollout-world';

const world = rolloutWorld();
const closing = closeAfterEach();

/** The rollout that docs/deploy/nomad.md shows, with pauses in place of analyses. */
const [, shown] = fencesOf('docs/deploy/nomad.md').filter(({ language }) => language === 'yaml');
const { document = expect.fail('no rollout'), problems } = parseRollout(shown?.text ?? '', 'yaml');

it.each([
  ['promotes', 'completed', [5, 20, 0]],
  ['takes back', 'aborted', [5, 0]],
] as const)(
  'a rollout %s a canary of Nomad without a lost call or a connection',
  async (_, end, weights) => {
    expect(problems).toEqual([]);
    const service = `payments-${end}`;
    const dc1 = world.consul.dc('dc1');
    const names = ['stable-1', 'stable-2', 'canary'];
    const servers = await Promise.all(
      names.map((name) => startPaymentsServer({ name, version: name, datacenter: 'dc1' })),
    );
    closing(servers, (opened) => opened.forEach((server) => void server.kill()));
    const id = (name: string): string => `_nomad-task-${name}-${service}`;
    const register = async (server: PaymentsServer, name: string, tag: string): Promise<void> => {
      const { host: Address, port: Port } = server;
      const Checks = [{ Name: 'service check', TTL: '10m', Status: 'passing' }];
      await dc1.request('PUT', '/v1/agent/service/register', {
        ID: id(name),
        Name: service,
        Tags: [tag],
        Address,
        Port,
        Checks,
      });
    };
    for (const [at, server] of servers.entries())
      await register(server, names[at] ?? '', at === 2 ? 'canary' : 'stable');
    const [, , canary] = servers;
    if (canary === undefined) throw new Error('no canary');

    const nomad = closing(await startScriptedNomad(), (opened) => opened.stop());
    const deployment = nomad.deploy(service);
    // As Nomad's client does some moments after the server has answered.
    nomad.onPromoted = () => void setTimeout(() => void register(canary, 'canary', 'stable'), 200);
    const steps = document.steps.map((step) => ('analysis' in step ? { pause: { durationMs: 800 } } : step));
    await world.begin(service, { ...document, service, steps });

    const graylane = closing(createGraylane({ consul: { address: dc1.address } }), (opened) => opened.close());
    const client = paymentsClient(graylane.target(service), graylane.clientOptions());
    await graylane.ready(service);
    const load = startLoad(client, 100);
    const servedBy = (name: string): boolean => load.calls.slice(-60).some((call) => call.servedBy === name);
    await expect.poll(() => servedBy('stable-1') && servedBy('stable-2'), { timeout: 10_000 }).toBe(true);
    await charge(client, {});
    const sessions = () => servers.map((server) => ({ ...server.sessions }));
    await expect.poll(() => sessions().map(({ open }) => open), { timeout: 10_000 }).toEqual([1, 1, 1]);
    const before = sessions();

    const ending = new AbortController();
    closing(ending, (opened) => opened.abort());
    const session = await world.session();
    // Looks twenty times as often as a controller does.
    const { ask } = createDeployer(
      { config: nomad.config, env: { NOMAD_TOKEN: 's3cret-of-nomad' } },
      () => 20 * Date.now(),
    );
    const deps = world.deps({ askDeployment: ask });
    const run = runRollout(
      service,
      {
        deps,
        lease: { session: session.id, tried: Promise.resolve(), problem: undefined, check: () => {} } as never,
        watch: { onRecord: () => {}, onRole: () => {}, onProblem: () => {} },
        listen: () => ({ isListening: false, close: () => {} }) as never,
        signal: ending.signal,
      },
      true,
    );
    if (end === 'aborted') {
      await expect.poll(() => servedBy('canary'), { timeout: 10_000 }).toBe(true);
      Object.assign(deployment, { Status: 'failed', StatusDescription: 'Failed due to unhealthy allocations' });
    }
    const record = await run;
    expect(record?.progress.state.kind).toBe(end);
    expect(await world.written(service)).toEqual(weights);
    expect(Object.values(deployment.TaskGroups)[0]?.Promoted).toBe(end === 'completed');
    await expect.poll(() => servedBy('canary'), { timeout: 10_000 }).toBe(end === 'completed');
    await expect.poll(() => load.calls.length, { timeout: 20_000 }).toBeGreaterThan(100);
    await load.stop();
    expect(load.lost.map(({ error }) => String(error))).toEqual([]);
    expect(sessions()).toEqual(before);
  },
  60_000,
);
