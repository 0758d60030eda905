import { beforeEach, expect, it } from 'vitest';
import { systemClock } from '../../../src/base/clock';
import { checkPeers } from '../../../src/cli/doctor/instance-checks';
import { createConsulClient } from '../../../src/consul/client';
import { parseConsulOptions } from '../../../src/consul/options';
import { compilePolicy } from '../../../src/policy/compile';
import { closeAfterEach } from '../../support/closers';
import { type ScriptedRegistry, startScriptedRegistry } from '../../support/consul/scripted-registry';
import { healthEntry } from '../../support/scripted-consul';

/** In the shapes of the public API: the Consul that tests have knows no peers. */
const opened = closeAfterEach();
let registry: ScriptedRegistry;
beforeEach(async () => {
  registry = opened(await startScriptedRegistry(), (it) => it.stop());
});

async function told(): Promise<string> {
  const client = opened(
    createConsulClient(parseConsulOptions({ address: registry.address }, {}), { clock: systemClock }),
    (it) => it.close(),
  );
  const content = { schema: 1, service: 'payments', locality: { failover: ['dc2', { peer: 'cloud' }] } };
  const plan = compilePolicy({ content, format: 'object' }, { service: 'payments', origin: 'inline' });
  const findings = await checkPeers(client, plan, undefined);
  expect(findings.map(({ check }) => check)).toEqual(['instances of payments in peer cloud']);
  return findings.map(({ state, finding, next = '' }) => `${state}: ${finding}; ${next}`).join('\n');
}

const HEALTH = '/v1/health/service/payments peer=cloud';
const peering = (State: string): void => registry.set('/v1/peering/cloud', { body: { Name: 'cloud', State } });

it('finds nothing wrong with a peer whose instances are there', async () => {
  registry.set(HEALTH, { body: [healthEntry('p1', 7001, { PeerName: 'cloud' })] });
  peering('ACTIVE');
  expect(await told()).toBe('ok: 1 of 1 usable; the peering is ACTIVE; ');
});

it('needs no right to read the peering itself', async () => {
  registry.set(HEALTH, { body: [healthEntry('p1', 7001)] });
  registry.set('/v1/peering/cloud', { status: 403, body: "Permission denied: token lacks permission 'peering:read'" });
  expect(await told()).toBe('ok: 1 of 1 usable; ');
});

it.each([0, 1])('names the rights that are lacking when %i are seen', async (count) => {
  const body = [healthEntry('p1', 7001)].slice(0, count);
  registry.set(HEALTH, { body, headers: { 'X-Consul-Results-Filtered-By-ACLs': 'true' } });
  expect(await told()).toMatch(/^problem: .*may not see all.*service_prefix "" .*node_prefix ""/);
});

it('tells a peering that is down, one that is not there, and a service that is not exported', async () => {
  registry.set(HEALTH, { body: [healthEntry('p1', 7001)] });
  peering('FAILING');
  expect(await told()).toBe('problem: 1 of 1 usable; the peering is FAILING; consul peering read -name cloud');
  registry.set(HEALTH, { body: [] });
  peering('ACTIVE');
  expect(await told()).toMatch(/^warning: 0 of 0 usable; the peering is ACTIVE; see that the peer exports payments/);
  registry.set('/v1/peering/cloud', { status: 404, body: 'Peering not found' });
  expect(await told()).toMatch(/^problem: 0 of 0 usable; the peering is not there/);
});
