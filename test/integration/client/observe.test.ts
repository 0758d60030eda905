import { beforeEach, describe, expect, it } from 'vitest';
import { createGraylane, type DecisionEvent, definePolicy, type Graylane } from '../../../src/index';
import { closeAfterEach } from '../../support/closers';
import { GRAY } from '../../support/gray-policy';
import {
  CHARGE,
  charge,
  type PaymentsServer,
  paymentsClient,
  startPaymentsServer,
  tally,
} from '../../support/payments';

const closing = closeAfterEach();
const policy = definePolicy({
  ...GRAY,
  timeoutMs: 1,
  routes: [{ name: 'testers', match: { labels: { 'x-gray': 'canary' } }, to: 'canary', strict: true }],
});
let servers: readonly PaymentsServer[];

beforeEach(async () => {
  servers = await Promise.all(
    ['stable', 'canary'].map(async (version) =>
      closing(await startPaymentsServer({ name: version, version }), (server) => server.kill()),
    ),
  );
});

function open(options: Parameters<typeof createGraylane>[0] = {}): Graylane {
  const instances = servers.map(({ host, port, version }) => ({ id: version, address: host, port, tags: [version] }));
  return closing(
    createGraylane({ mode: 'observe', instances: { payments: instances }, policies: { payments: policy }, ...options }),
    (graylane) => graylane.close(),
  );
}

function versions(graylane: Graylane, labels: Record<string, string> = {}): Promise<Map<string, number>> {
  const client = paymentsClient(graylane.target('payments'), graylane.clientOptions());
  return tally(
    100,
    (reply) => reply.version,
    () => charge(client, labels),
    4,
  );
}

describe('mode: observe', () => {
  it('decides and tells, but balances over all instances and applies nothing of the policy', async () => {
    for (const server of servers) server.behave({ delayMs: 5 });
    const graylane = open();
    const events: DecisionEvent[] = [];
    graylane.on('decision', (event) => events.push(event));
    await graylane.ready('payments');
    const served = await versions(graylane, { 'x-gray': 'canary' });
    expect(served.get('stable')).toBeGreaterThan(20);
    expect(served.get('canary')).toBeGreaterThan(20);
    expect(events).toHaveLength(100);
    expect(new Set(events.map(({ route, subset, mode }) => `${route} ${subset} ${mode}`))).toEqual(
      new Set(['testers canary observe']),
    );
  });

  it('shows in inspect and explain what the policy would do', async () => {
    const graylane = open();
    await graylane.ready('payments');
    const [service] = graylane.inspect().services;
    expect(service).toMatchObject({ mode: 'observe', policy: { origin: 'inline' } });
    expect(service?.endpoints.map(({ subsets }) => subsets)).toEqual(expect.arrayContaining([['stable'], ['canary']]));
    expect(graylane.explain('payments', { method: CHARGE, labels: { 'x-gray': 'canary' } })).toMatchObject({
      mode: 'observe',
      routing: { decision: { route: 'testers', subset: 'canary' } },
      tiers: [{ subset: 'canary', endpoints: [{ instance: 'canary' }] }],
    });
  });

  it('obeys a force of an instance, and balances where only a subset is forced', async () => {
    const graylane = open();
    const client = paymentsClient(graylane.target('payments'), graylane.clientOptions());
    const forced = (force: Parameters<Graylane['with']>[0]['force'] & object): Promise<Map<string, number>> =>
      tally(
        40,
        (reply) => reply.version,
        () => graylane.with({ force }, () => charge(client)),
      );
    expect(await forced({ instance: 'canary' })).toEqual(new Map([['canary', 40]]));
    expect([...(await forced({ subset: 'canary' })).keys()].sort()).toEqual(['canary', 'stable']);
  });

  it('carries calls also when the policy cannot be had or is required', async () => {
    const missing = open({ policies: { payments: { file: '/nowhere/payments.yaml' } } });
    expect((await versions(missing)).size).toBe(2);
    expect(missing.inspect().services[0]?.policy.failure).toContain('/nowhere');
    const required = open({ policies: {}, requirePolicy: true });
    expect((await versions(required)).size).toBe(2);
  });

  it('is one of two modes', () => {
    expect(() => createGraylane({ mode: 'watch' as 'observe' })).toThrow('mode: "watch" (expected: route, observe)');
  });
});
