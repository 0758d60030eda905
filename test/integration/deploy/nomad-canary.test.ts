import { randomUUID } from 'node:crypto';
import { expect, it } from 'vitest';
import { createGraylane, type PolicyDocument } from '../../../src/index';
import { startLoad } from '../../faults/fixtures/load';
import { closeAfterEach } from '../../support/closers';
import { startConsul } from '../../support/consul/start';
import { GRAY_WITH_FALLBACK } from '../../support/gray-policy';
import { charge, type PaymentsServer, paymentsClient, startPaymentsServer } from '../../support/payments';

const closing = closeAfterEach();

const POLICY: PolicyDocument = {
  ...GRAY_WITH_FALLBACK,
  routes: [{ name: 'testers', match: { labels: { 'x-gray': 'canary' } }, to: 'canary' }],
};

/** As Nomad's client registers a service of an allocation: under the same ID before and after a promotion. */
function nomadService(server: PaymentsServer, alloc: string, tags: readonly string[]) {
  return {
    ID: `_nomad-task-${alloc}-group-api-payments-grpc`,
    Name: 'payments',
    Tags: tags,
    EnableTagOverride: false,
    Port: server.port,
    Address: server.host,
    Meta: { 'external-source': 'nomad' },
    Checks: [{ Name: 'service: "payments" check', TTL: '10m', Status: 'passing' }],
  };
}

it('a canary of Nomad is promoted without a lost call, and without a connection opened or closed by it', async () => {
  const consul = closing(await startConsul(), (opened) => opened.stop());
  const dc1 = consul.dc('dc1');
  const register = async (...given: Parameters<typeof nomadService>): Promise<void> => {
    await (await dc1.request('PUT', '/v1/agent/service/register', nomadService(...given))).arrayBuffer();
  };
  const names = ['stable-1', 'stable-2', 'canary'];
  const servers = await Promise.all(
    names.map((name) => startPaymentsServer({ name, version: name, datacenter: 'dc1' })),
  );
  closing(servers, (opened) => opened.forEach((server) => void server.kill()));
  const allocs = names.map(() => randomUUID());
  for (const [index, server] of servers.entries()) {
    await register(server, allocs[index] ?? '', [index === 2 ? 'canary' : 'stable']);
  }
  const options = { consul: { address: dc1.address }, policies: { payments: POLICY } };
  const graylane = closing(createGraylane(options), (opened) => opened.close());
  const client = paymentsClient(graylane.target('payments'), graylane.clientOptions());
  await graylane.ready('payments');
  const load = startLoad(client, 100);
  const tester = async (): Promise<string> => (await charge(client, { 'x-gray': 'canary' })).servedBy;
  const servedBy = (name: string): boolean => load.calls.slice(-40).some((call) => call.servedBy === name);
  await expect.poll(() => servedBy('stable-1') && servedBy('stable-2'), { timeout: 10_000 }).toBe(true);
  expect(await tester()).toBe('canary');
  expect(servedBy('canary')).toBe(false);
  const sessions = () => servers.map((server) => ({ ...server.sessions }));
  const before = sessions();
  expect(before.map(({ open }) => open)).toEqual([1, 1, 1]);

  const [, , canary] = servers;
  const alloc = allocs[2] ?? '';
  if (canary === undefined) throw new Error('no canary');
  for (const [tags, isServing] of [
    [['stable'], true],
    [['canary'], false],
    [['stable'], true],
  ] as const) {
    await register(canary, alloc, tags);
    await expect.poll(() => servedBy('canary'), { timeout: 10_000 }).toBe(isServing);
    // Without a canary its testers get what all get.
    if (isServing) await expect.poll(tester, { timeout: 10_000 }).toMatch(/^stable/);
    else await expect.poll(tester, { timeout: 10_000 }).toBe('canary');
  }
  await load.stop();
  expect(load.lost.map(({ error }) => String(error))).toEqual([]);
  expect(sessions()).toEqual(before);
});
