import { afterEach, describe, expect, it } from 'vitest';
import type { PolicyDocument } from '../../../src/index';
import { createTestClient, type StaticInstance, type TestClient, type TestClientOptions } from '../../../src/testing';
import { charge, paymentsClient, startPaymentsServer } from '../../support/payments';

const closers: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** One server for each, named by what it is: `payments/stable@dc1`. */
async function listed(names: readonly string[]): Promise<Record<string, StaticInstance[]>> {
  const instances: Record<string, StaticInstance[]> = {};
  for (const name of names) {
    const [what = '', datacenter = 'local'] = name.split('@');
    const [service = '', tag] = what.split('/');
    const server = await startPaymentsServer({ name, version: what, datacenter });
    closers.push(() => server.kill());
    const { host: address, port } = server;
    const tags = tag === undefined ? [] : [tag];
    instances[service] = [...(instances[service] ?? []), { address, port, datacenter, id: name, tags }];
  }
  return instances;
}

function open(options: TestClientOptions): TestClient {
  const graylane = createTestClient(options);
  closers.push(() => graylane.close());
  return graylane;
}

const payments = (more: Partial<PolicyDocument>): PolicyDocument => ({
  schema: 1,
  service: 'payments',
  subsets: { stable: { tags: ['stable'] } },
  default: 'stable',
  ...more,
});

const nextVersion: PolicyDocument = {
  schema: 1,
  service: 'payments-v2',
  subsets: {
    stable: { tags: ['stable'] },
    canary: { tags: ['canary'], fallback: 'stable' },
    old: { tags: ['old'], fallback: { service: 'payments' } },
  },
  default: 'stable',
  // Not applied: the caller's policy has decided.
  routes: [{ name: 'all', to: 'canary' }],
  override: { to: 'canary', until: '2199-01-01T00:00:00Z' },
};

/** How many of the calls each server answered; `!CODE` for those that failed. */
async function answersOf(
  graylane: TestClient,
  calls: number,
  labels: Record<string, string> = {},
): Promise<Record<string, number>> {
  const client = paymentsClient(graylane.target('payments'), graylane.clientOptions());
  closers.push(() => client.close());
  const answers: Record<string, number> = {};
  for (let call = 0; call < calls; call += 1) {
    const who = await charge(client, labels).then(
      ({ servedBy }) => servedBy,
      (error: { details: string }) => `! ${error.details}`,
    );
    answers[who] = (answers[who] ?? 0) + 1;
  }
  return answers;
}

const only = (policies: Record<string, PolicyDocument>, instances: Record<string, StaticInstance[]>): TestClient =>
  open({ policies, instances, datacenters: ['dc1', 'dc2'] });

describe('a route to another service', () => {
  it('comes back to an own subset where it says so, when nobody of the other is left or its calls fail', async () => {
    const instances = await listed(['payments/stable', 'other/stable']);
    const to = { service: 'other', fallback: 'stable' };
    const routes = [{ name: 'gray', match: { labels: { 'x-gray': 'canary' } }, to }];
    const policy = payments({ routes, retry: {}, subsetBreaker: { volumeThreshold: 5 } });
    const graylane = open({ instances, policies: { payments: policy, other: { ...nextVersion, service: 'other' } } });
    const gray = { 'x-gray': 'canary' };
    expect(await answersOf(graylane, 5, gray)).toEqual({ 'other/stable': 5 });
    graylane.fail('other');
    expect(await answersOf(graylane, 40, gray)).toEqual({ 'payments/stable': 40 });
    expect(
      graylane.breakers.list().filter(({ key, state }) => key.startsWith('other@') && state !== 'closed'),
    ).toHaveLength(1);
    const explained = graylane.explain('payments', { method: '/shop.v1.Payments/Charge', labels: gray });
    expect(explained.routing.decision.chain).toEqual(['other', 'stable']);
    graylane.setInstances('other', []);
    expect(await answersOf(graylane, 5, gray)).toEqual({ 'payments/stable': 5 });
    const strict = open({
      instances: { payments: instances['payments'] ?? [] },
      policies: { payments: payments({ routes: [{ name: 'all', to, strict: true }] }) },
    });
    expect(Object.keys(await answersOf(strict, 1))[0]).toMatch(/^! other: 0 instances/);
  });

  it('leads to none of its lanes, whatever lanes the caller has itself', async () => {
    const instances = await listed(['payments/stable', 'payments/pr-1', 'other/stable', 'other/pr-1', 'other/pr-2']);
    const inLanes = (list: readonly StaticInstance[] = []): StaticInstance[] =>
      list.map((each) => ({ ...each, tags: ['stable'], meta: { lane: /pr-\d/.exec(each.id ?? '')?.[0] ?? '' } }));
    const other: PolicyDocument = { ...nextVersion, service: 'other', lanes: { by: 'x-lane' } };
    const routes = [{ name: 'gray', match: { labels: { 'x-gray': 'canary' } }, to: { service: 'other' } }];
    const policies = { payments: payments({ routes, lanes: { by: 'x-lane' } }), other };
    const graylane = open({
      policies,
      instances: { payments: inLanes(instances['payments']), other: inLanes(instances['other']) },
    });
    expect(await answersOf(graylane, 20, { 'x-gray': 'canary' })).toEqual({ 'other/stable': 20 });
    expect(await answersOf(graylane, 5, { 'x-gray': 'canary', 'x-lane': 'pr-1' })).toEqual({ 'payments/pr-1': 5 });
    expect(await answersOf(graylane, 5, { 'x-gray': 'canary', 'x-lane': 'pr-2' })).toEqual({ 'other/stable': 5 });
    expect(await answersOf(graylane, 5)).toEqual({ 'payments/stable': 5 });
  });

  it('splits 90 to 10, and the other policy alone says what its default subset is', async () => {
    const instances = await listed(['payments/stable', 'payments-v2/stable', 'payments-v2/canary']);
    const split = [
      { to: 'stable', weight: 90 },
      { to: { service: 'payments-v2' }, weight: 10 },
    ];
    const policies = { payments: payments({ routes: [{ name: 'all', split }] }), 'payments-v2': nextVersion };
    const graylane = open({ instances, policies });
    const answers = await answersOf(graylane, 400);
    expect(Object.keys(answers).sort()).toEqual(['payments-v2/stable', 'payments/stable']);
    expect(answers['payments-v2/stable']).toBeGreaterThan(20);
    expect(answers['payments-v2/stable']).toBeLessThan(70);
    expect(new Set(graylane.decisions.map(({ subset }) => subset))).toEqual(new Set(['stable', 'payments-v2']));
  });

  it.each([
    { name: 'its default subset', to: { service: 'other' }, served: ['other/stable@dc1'] },
    { name: 'a subset of it', to: { service: 'other', subset: 'canary' }, served: ['other/canary@dc1'] },
    { name: 'a datacenter', to: { datacenter: 'dc2' }, served: ['payments/stable@dc2'] },
    { name: 'a subset in a datacenter', to: { subset: 'canary', datacenter: 'dc2' }, served: ['payments/canary@dc2'] },
    { name: 'a service in a datacenter', to: { service: 'other', datacenter: 'dc2' }, served: ['other/stable@dc2'] },
    { name: 'itself by name', to: { service: 'payments', subset: 'canary' }, served: ['payments/canary@dc1'] },
    { name: 'a service without a policy', to: { service: 'bare' }, served: ['bare/x@dc1', 'bare/y@dc1'] },
  ])('leads to $name', async ({ to, served }) => {
    const everywhere = ['payments/stable', 'payments/canary', 'other/stable', 'other/canary'];
    const names = ['dc1', 'dc2'].flatMap((datacenter) => everywhere.map((each) => `${each}@${datacenter}`));
    const policy = payments({
      subsets: { stable: { tags: ['stable'] }, canary: { tags: ['canary'] } },
      routes: [{ name: 'gray', match: { labels: { 'x-gray': 'canary' } }, to }],
    });
    const graylane = only(
      { payments: policy, other: { ...nextVersion, service: 'other' } },
      await listed([...names, 'bare/x@dc1', 'bare/y@dc1']),
    );
    expect(Object.keys(await answersOf(graylane, 12, { 'x-gray': 'canary' })).sort()).toEqual(served);
    expect(await answersOf(graylane, 4)).toEqual({ 'payments/stable@dc1': 4 });
    const { routing, tiers } = await graylane.explain('payments', {
      method: '/shop.v1.Payments/Charge',
      labels: { 'x-gray': 'canary' },
    });
    const [first] = tiers.filter(({ endpoints }) => endpoints.length > 0);
    expect(first?.endpoints.map(({ instance }) => instance).sort()).toEqual(served);
    expect(routing.decision.subset).toBe(first?.subset);
  });

  it('goes by the fallbacks of the other policy, within that service, and no further', async () => {
    const instances = await listed(['payments/stable', 'payments-v2/stable']);
    const to = (subset: string): object => ({ service: 'payments-v2', subset });
    const gray = (value: string) => ({ name: value, match: { labels: { 'x-gray': value } }, to: to(value) });
    const policy = payments({ routes: [gray('canary'), gray('old')] as never });
    const graylane = open({ instances, policies: { payments: policy, 'payments-v2': nextVersion } });
    expect(await answersOf(graylane, 5, { 'x-gray': 'canary' })).toEqual({ 'payments-v2/stable': 5 });
    const refused = await answersOf(graylane, 1, { 'x-gray': 'old' });
    expect(Object.keys(refused)).toEqual([expect.stringMatching(/^! payments-v2\/old: .*; fallback none/)]);
  });

  it('is a fallback of an own subset, and comes back', async () => {
    const instances = await listed(['payments/stable', 'payments-v2/stable']);
    const policy = payments({ subsets: { stable: { tags: ['stable'], fallback: { service: 'payments-v2' } } } });
    const graylane = open({ instances, policies: { payments: policy, 'payments-v2': nextVersion } });
    expect(await answersOf(graylane, 3)).toEqual({ 'payments/stable': 3 });
    graylane.setInstances('payments', []);
    await expect.poll(() => answersOf(graylane, 1)).toEqual({ 'payments-v2/stable': 1 });
    graylane.setInstances('payments', instances['payments'] ?? []);
    const later = async (): Promise<object> => {
      await graylane.advance(1_000);
      return answersOf(graylane, 1);
    };
    await expect.poll(later).toEqual({ 'payments/stable': 1 });
  });

  it('follows the other policy while it runs', async () => {
    const instances = await listed(['payments/stable', 'payments-v2/stable', 'payments-v2/canary']);
    const policy = payments({ routes: [{ name: 'all', to: { service: 'payments-v2' } }] });
    const graylane = open({ instances, policies: { payments: policy, 'payments-v2': nextVersion } });
    expect(await answersOf(graylane, 3)).toEqual({ 'payments-v2/stable': 3 });
    graylane.setPolicy('payments-v2', { ...nextVersion, default: 'canary' });
    expect(await answersOf(graylane, 3)).toEqual({ 'payments-v2/canary': 3 });
    graylane.setPolicy('payments', payments({}));
    expect(await answersOf(graylane, 3)).toEqual({ 'payments/stable': 3 });
  });

  it('has no instance where the other policy has no such subset, and says which was meant', async () => {
    const instances = await listed(['payments/stable', 'payments-v2/stable']);
    const policy = payments({ routes: [{ name: 'all', to: { service: 'payments-v2', subset: 'stabel' } }] });
    const graylane = open({ instances, policies: { payments: policy, 'payments-v2': nextVersion } });
    const [refused = ''] = Object.keys(await answersOf(graylane, 1));
    expect(refused).toContain('the policy of payments-v2 has no subset stabel');
    const [payment] = graylane.inspect().services;
    expect(payment?.policy.shortfalls.map(({ message }) => message)).toEqual([
      'routes[0].to: the policy of payments-v2 has no subset stabel (it has stable, canary, old); did you mean stable?',
    ]);
  });

  it('ends circles of fallbacks over two services', async () => {
    const instances = await listed(['payments/stable', 'payments-v2/stable']);
    const round = (service: string, other: string): PolicyDocument => ({
      schema: 1,
      service,
      subsets: { gone: { tags: ['gone'], fallback: { service: other } } },
      default: 'gone',
    });
    const policies = {
      payments: round('payments', 'payments-v2'),
      'payments-v2': round('payments-v2', 'payments'),
    };
    const [refused = ''] = Object.keys(await answersOf(open({ instances, policies }), 1));
    expect(refused).toMatch(/^! payments\/gone: .*; fallback payments-v2: /);
  });
});

describe('a pinned destination', () => {
  const at = (to: PolicyDocument['routes'], more: Partial<PolicyDocument> = {}): PolicyDocument =>
    payments({ routes: to ?? [], ...more });

  it.each([
    { name: 'stays there', failover: undefined, served: [] },
    { name: 'goes on where the route says', failover: ['dc1'], served: ['payments/stable@dc1'] },
  ])('$name when nobody is there any more', async ({ failover, served }) => {
    const instances = await listed(['payments/stable@dc1', 'payments/stable@dc2']);
    const route = { name: 'all', to: { datacenter: 'dc2' }, ...(failover && { failover }) } as const;
    const graylane = only({ payments: at([route]) }, instances);
    expect(await answersOf(graylane, 3)).toEqual({ 'payments/stable@dc2': 3 });
    graylane.setInstances('payments', (instances['payments'] ?? []).slice(0, 1));
    await expect
      .poll(async () => Object.keys(await answersOf(graylane, 1)))
      .toEqual(
        served.length > 0 ? served : [expect.stringMatching(/^! payments\/stable: 0 instances in dc2; fallback none/)],
      );
  });

  it('tells two entries of a split apart by their places', async () => {
    const instances = await listed(['payments/stable@dc1', 'payments/stable@dc2']);
    const split = [
      { to: 'stable', weight: 1 },
      { to: { subset: 'stable', datacenter: 'dc2' }, weight: 1 },
    ];
    const graylane = only({ payments: at([{ name: 'all', split }]) }, instances);
    expect(Object.keys(await answersOf(graylane, 40)).sort()).toEqual(['payments/stable@dc1', 'payments/stable@dc2']);
    const { routing } = await graylane.explain('payments', { method: '/shop.v1.Payments/Charge' });
    expect(routing.routes[0]?.split).toEqual([
      { to: 'stable', percent: 50 },
      { to: 'stable in dc2', percent: 50 },
    ]);
  });

  it('of a route without a pin, failover stands in place of the policy’s', async () => {
    const instances = await listed(['payments/stable@dc2', 'payments/stable@dc3']);
    const policy = at([{ name: 'gray', match: { labels: { 'x-gray': 'yes' } }, to: 'stable', failover: ['dc3'] }], {
      locality: { failover: ['dc2', 'dc3'] },
    });
    const graylane = open({ policies: { payments: policy }, instances, datacenters: ['dc1', 'dc2', 'dc3'] });
    expect(await answersOf(graylane, 3)).toEqual({ 'payments/stable@dc2': 3 });
    expect(await answersOf(graylane, 3, { 'x-gray': 'yes' })).toEqual({ 'payments/stable@dc3': 3 });
  });

  it('holds a fallback to its place', async () => {
    const instances = await listed(['payments/stable@dc1', 'payments/stable@dc2']);
    const policy = payments({
      subsets: {
        stable: { tags: ['stable'] },
        gone: { tags: ['gone'], fallback: { subset: 'stable', datacenter: 'dc2' } },
      },
      routes: [{ name: 'all', to: 'gone' }],
    });
    expect(await answersOf(only({ payments: policy }, instances), 3)).toEqual({ 'payments/stable@dc2': 3 });
  });

  it('of an override gives way where nobody is there', async () => {
    const instances = await listed(['payments/stable@dc1', 'payments/stable@dc2']);
    const until = '2199-01-01T00:00:00Z';
    const graylane = only({ payments: payments({ override: { to: { datacenter: 'dc2' }, until } }) }, instances);
    expect(await answersOf(graylane, 3)).toEqual({ 'payments/stable@dc2': 3 });
    graylane.setPolicy('payments', payments({ override: { to: { subset: 'stable', peer: 'cloud' }, until } }));
    expect(await answersOf(graylane, 3)).toEqual({ 'payments/stable@dc1': 3 });
  });
});

describe('the caller’s name', () => {
  const policy = payments({
    subsets: { stable: { tags: ['stable'] }, canary: { tags: ['canary'] } },
    routes: [{ name: 'ours', match: { from: ['checkout', 'orders'] }, to: 'canary' }],
  });

  it.each([
    { serviceName: 'checkout', served: 'payments/canary', reason: undefined },
    { serviceName: 'orders', served: 'payments/canary', reason: undefined },
    {
      serviceName: 'shipping',
      served: 'payments/stable',
      reason: 'from: shipping (expected: one of checkout, orders)',
    },
    { serviceName: undefined, served: 'payments/stable', reason: 'from: missing (expected: one of checkout, orders)' },
  ])('$serviceName goes to $served', async ({ serviceName, served, reason }) => {
    const instances = await listed(['payments/stable', 'payments/canary']);
    const graylane = open({ instances, policies: { payments: policy }, ...(serviceName && { serviceName }) });
    expect(await answersOf(graylane, 3)).toEqual({ [served]: 3 });
    const { routing } = await graylane.explain('payments', { method: '/shop.v1.Payments/Charge' });
    expect(routing.routes[0]?.reason).toBe(reason);
  });
});

describe('notTags', () => {
  it('keep instances out that have one of them', async () => {
    const instances = await listed(['payments/stable', 'payments/canary', 'payments/next']);
    const policy = payments({ subsets: { stable: { notTags: ['canary', 'next'] } } });
    expect(await answersOf(open({ instances, policies: { payments: policy } }), 6)).toEqual({ 'payments/stable': 6 });
  });
});
