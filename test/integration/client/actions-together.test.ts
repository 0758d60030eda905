import { describe, expect, it } from 'vitest';
import type { CallReport, PolicyDocument } from '../../../src/index';
import { createTestClient, type StaticInstance, type TestClientOptions } from '../../../src/testing';
import { closeAfterEach } from '../../support/closers';
import { CHARGE, charge, type PaymentsServer, paymentsClient, startPaymentsServer } from '../../support/payments';

const closing = closeAfterEach();
const UNTIL = '2199-01-01T00:00:00Z';
/** Of payments and of payments-v2, each with its tag; `@` names a datacenter, `#` a lane. */
const LISTED = [
  'stable',
  'canary',
  'pr#pr-1',
  'stable@dc2',
  'v2:blue',
  'v2:green',
  'v2:green',
  'v2:green',
  'v2:blue@dc2',
];

const NEXT: PolicyDocument = {
  schema: 1,
  service: 'payments-v2',
  subsets: {
    blue: { tags: ['blue'], fallback: { service: 'payments' } },
    green: { tags: ['green'], fallback: 'blue', balancing: { algorithm: 'ring_hash', hashBy: 'x-user' } },
  },
  default: 'blue',
};

interface World {
  readonly ask: (
    labels: Readonly<Record<string, string>>,
  ) => Promise<{ readonly by: string; readonly report: CallReport }>;
  readonly servers: ReadonlyMap<string, readonly PaymentsServer[]>;
  readonly graylane: ReturnType<typeof createTestClient>;
  /** Calls that servers of a name have had, copies included. */
  readonly callsOf: (name: string) => number;
  readonly setPolicy: (more: object) => void;
}

function document(more: object): PolicyDocument {
  return {
    schema: 1,
    service: 'payments',
    subsets: { stable: { tags: ['stable'] }, canary: { tags: ['canary'], fallback: 'stable' } },
    default: 'stable',
    breaker: { enabled: false },
    subsetBreaker: { enabled: false },
    retryBudget: { percent: 100, minPerSecond: 10_000 },
    ...more,
  } as unknown as PolicyDocument;
}

async function world(more: object, options: Partial<TestClientOptions> = {}): Promise<World> {
  const instances: Record<string, StaticInstance[]> = { payments: [], 'payments-v2': [] };
  const servers = new Map<string, PaymentsServer[]>();
  for (const [at, name] of LISTED.entries()) {
    const [what = '', datacenter = 'dc1'] = name.split('@');
    const [tag = '', lane] = what.replace('v2:', '').split('#');
    const server = closing(await startPaymentsServer({ name: `${name} ${at}`, version: name }), (one) => one.kill());
    servers.set(name, [...(servers.get(name) ?? []), server]);
    const { host: address, port } = server;
    const service = what.startsWith('v2:') ? 'payments-v2' : 'payments';
    const meta = lane === undefined ? {} : { lane };
    instances[service]?.push({ address, port, datacenter, id: `${name} ${at}`, tags: [tag], meta });
  }
  const policies = { payments: document(more), 'payments-v2': NEXT };
  const graylane = closing(
    createTestClient({ policies, instances, datacenters: ['dc1', 'dc2'], serviceName: 'checkout', ...options }),
    (one) => one.close(),
  );
  const client = closing(paymentsClient(graylane.target('payments'), graylane.clientOptions()), (one) => one.close());
  await graylane.ready('payments');
  const ask: World['ask'] = (labels) =>
    new Promise((resolve) => {
      let by = '';
      const observe = (report: CallReport): void => void setImmediate(() => resolve({ by, report }));
      graylane.with({ observe }, () =>
        charge(client, labels).then(
          ({ version }) => {
            by = version;
          },
          (error: { details: string }) => {
            by = `! ${error.details}`;
          },
        ),
      );
    });
  return {
    ask,
    servers,
    graylane,
    callsOf: (name) => (servers.get(name) ?? []).reduce((sum, { calls }) => sum + calls, 0),
    setPolicy: (next) => graylane.setPolicy('payments', document(next)),
  };
}

const GRAY = { labels: { 'x-gray': '1' } };
const toNext = (subset?: string): object => ({ service: 'payments-v2', ...(subset !== undefined && { subset }) });
const fault = (more: object = {}): object => ({
  name: 'drill',
  match: GRAY,
  abort: 'ABORTED',
  percent: 100,
  until: UNTIL,
  ...more,
});
const DRILL = '! fault drill of the policy (drill)';

/** One call under a policy: who answers, and which servers have had a copy. */
const CASES: readonly {
  readonly name: string;
  readonly policy: object;
  readonly labels?: Readonly<Record<string, string>>;
  readonly options?: Partial<TestClientOptions>;
  readonly by: string;
  readonly copies?: readonly string[];
}[] = [
  {
    name: 'a fault with a match hits a call that its lane decides',
    policy: { lanes: { by: 'x-lane' }, faults: [fault()] },
    labels: { 'x-gray': '1', 'x-lane': 'pr-1' },
    by: DRILL,
  },
  {
    name: 'a fault in a subset does not hit a call that its lane decides',
    policy: { lanes: { by: 'x-lane' }, faults: [fault({ in: 'stable' })] },
    labels: { 'x-gray': '1', 'x-lane': 'pr-1' },
    by: 'pr#pr-1',
  },
  {
    name: 'the fault of a route does not hit a call that its lane decides',
    policy: {
      lanes: { by: 'x-lane' },
      routes: [{ name: 'all', to: 'stable', fault: { abort: 'ABORTED', percent: 100, until: UNTIL } }],
    },
    labels: { 'x-lane': 'pr-1' },
    by: 'pr#pr-1',
  },
  {
    name: 'a route copies no call that its lane decides',
    policy: { lanes: { by: 'x-lane' }, routes: [{ name: 'all', to: 'stable', mirror: { to: 'canary' } }] },
    labels: { 'x-lane': 'pr-1' },
    by: 'pr#pr-1',
    copies: [],
  },
  {
    name: 'a call whose lane nobody is in is copied as its route says',
    policy: { lanes: { by: 'x-lane' }, routes: [{ name: 'all', to: 'stable', mirror: { to: 'canary' } }] },
    labels: { 'x-lane': 'pr-2' },
    by: 'stable',
    copies: ['canary'],
  },
  {
    name: 'a fault hits a call to another service',
    policy: { routes: [{ name: 'next', match: GRAY, to: toNext() }], faults: [fault()] },
    by: DRILL,
  },
  {
    name: 'a fault in an own subset does not hit a call to another service',
    policy: { routes: [{ name: 'next', match: GRAY, to: toNext() }], faults: [fault({ in: 'stable' })] },
    by: 'v2:blue',
  },
  {
    name: 'a fault whose match names a list',
    policy: { faults: [fault({ match: { labels: { 'x-user': { list: 'beta' } } } })] },
    labels: { 'x-user': 'u-1' },
    by: DRILL,
  },
  {
    name: 'a fault whose match is for another caller',
    policy: { faults: [fault({ match: { from: ['orders'] } })] },
    by: 'stable',
  },
  {
    name: 'a fault whose match is for this caller',
    policy: { faults: [fault({ match: { from: ['checkout'] } })] },
    by: DRILL,
  },
  {
    name: 'a route of a list and of a caller, to another service',
    policy: {
      routes: [{ name: 'next', match: { from: ['checkout'], labels: { 'x-user': { list: 'beta' } } }, to: toNext() }],
    },
    labels: { 'x-user': 'u-1' },
    by: 'v2:blue',
  },
  {
    name: 'a copy for another service',
    policy: { routes: [{ name: 'all', to: 'stable', mirror: { to: toNext() } }] },
    by: 'stable',
    copies: ['v2:blue'],
  },
  {
    name: 'a copy for a subset in another datacenter',
    policy: { routes: [{ name: 'all', to: 'canary', mirror: { to: { subset: 'stable', datacenter: 'dc2' } } }] },
    by: 'canary',
    copies: ['stable@dc2'],
  },
  {
    name: 'a copy for the same subset in another datacenter, of a call to another service',
    policy: { routes: [{ name: 'all', to: toNext('blue'), mirror: { to: { ...toNext('blue'), datacenter: 'dc2' } } }] },
    by: 'v2:blue',
    copies: ['v2:blue@dc2'],
  },
  {
    name: 'an override holds off lanes, faults and copies',
    policy: {
      lanes: { by: 'x-lane' },
      routes: [{ name: 'all', to: 'stable', mirror: { to: 'canary' } }],
      faults: [fault()],
      override: { to: toNext(), until: UNTIL },
    },
    labels: { 'x-gray': '1', 'x-lane': 'pr-1' },
    by: 'v2:blue',
    copies: [],
  },
  {
    name: 'a service that names this one back ends the fallbacks',
    policy: { routes: [{ name: 'all', to: { service: 'payments-v2', subset: 'blue', datacenter: 'dc9' } }] },
    by: '! payments-v2/blue: 0 instances in dc9; fallback none',
  },
  {
    name: 'observe mode applies none of them',
    options: { mode: 'observe' },
    policy: {
      lanes: { by: 'x-lane' },
      subsets: { stable: { tags: ['stable'] }, canary: { tags: ['canary'] }, nobody: { tags: ['nobody'] } },
      routes: [
        {
          name: 'all',
          to: 'nobody',
          strict: true,
          mirror: { to: 'canary' },
          requestHeaders: { set: { 'x-tag': 'set' } },
        },
      ],
      faults: [fault()],
    },
    labels: { 'x-gray': '1' },
    by: expect.not.stringContaining('!') as unknown as string,
    copies: [],
  },
];

const NAMES = [...new Set(LISTED)];

describe('what a policy does to a call', () => {
  it.each(CASES)('$name', async ({ policy, labels = { 'x-gray': '1' }, options = {}, by, copies }) => {
    const { ask, callsOf, graylane } = await world(policy, { lists: { beta: ['u-1'] }, ...options });
    const explained = graylane.explain('payments', { method: CHARGE, labels }).routing;
    const { by: served, report } = await ask(labels);
    expect(served).toEqual(by);
    // What is only watched is explained, and decides nothing.
    expect(report.decision?.subset).toBe(options.mode === 'observe' ? '*' : explained.decision.subset);
    if (served === DRILL) expect(explained.faults?.map(({ name }) => name)).toEqual(['drill']);
    if (copies === undefined) return;
    const copied = (): readonly string[] => NAMES.filter((name) => callsOf(name) > (name === served ? 1 : 0));
    await expect.poll(copied).toEqual(copies);
    expect(graylane.inspect().services[0]?.mirrors.map(({ to }) => to) ?? []).toEqual(
      copies.length === 0 ? [] : [explained.decision.mirror?.to],
    );
  });
});

describe('a ring of another service', () => {
  it('goes by the label of its own, for calls and for copies alike', async () => {
    const routes = (to: object, mirror?: object): object => ({
      routes: [{ name: 'all', to, ...(mirror && { mirror }) }],
    });
    const { ask, servers, setPolicy } = await world(routes(toNext('green')));
    const greens = servers.get('v2:green') ?? [];
    const counts = (): readonly number[] => greens.map(({ calls }) => calls);
    await expect.poll(async () => (await ask({ 'x-user': 'u' })).by).toBe('v2:green');
    const placed = new Map<string, number>();
    for (let user = 0; user < 12; user += 1) {
      const before = counts();
      await ask({ 'x-user': `u-${user}`, 'x-tenant': `t-${user}` });
      placed.set(
        `u-${user}`,
        counts().findIndex((count, at) => count > (before[at] ?? 0)),
      );
    }
    expect(new Set(placed.values()).size).toBeGreaterThan(1);
    setPolicy({
      balancing: { algorithm: 'ring_hash', hashBy: 'x-tenant' },
      ...routes({ subset: 'stable' }, { to: toNext('green') }),
    });
    for (const [user, at] of placed) {
      const before = counts();
      await ask({ 'x-user': user, 'x-tenant': 't' });
      await expect.poll(() => counts().findIndex((count, index) => count > (before[index] ?? 0))).toBe(at);
    }
  });
});

describe('headers, with attempts at another service', () => {
  it.each([
    ['retries', { retry: { maxAttempts: 3, initialBackoffMs: 1 } }],
    ['hedges', { hedging: { maxAttempts: 3, delayMs: 60_000 } }],
  ])('are changed once for each of the %s', async (_, again) => {
    const { ask, servers } = await world({
      routes: [{ name: 'all', to: toNext('blue'), ...again, requestHeaders: { add: { 'x-via': 'graylane' } } }],
    });
    const [blue] = servers.get('v2:blue') ?? [];
    await expect.poll(async () => (await ask({})).by).toBe('v2:blue');
    blue?.behave({ code: 14 });
    const { report } = await ask({});
    expect(report.attempts.length).toBeGreaterThan(1);
    for (const name of ['v2:blue', 'v2:blue@dc2']) {
      const [one] = servers.get(name) ?? [];
      if ((one?.calls ?? 0) > 0) expect(one?.lastMetadata()?.get('x-via')).toEqual(['graylane']);
    }
  });
});

describe('a policy that is replaced while its calls run', () => {
  it('lets them end where they are, when service, lane and list vanish, and appear again', async () => {
    const full = {
      lanes: { by: 'x-lane' },
      routes: [{ name: 'next', match: { labels: { 'x-user': { list: 'beta' } } }, to: toNext(), retry: {} }],
    };
    const { ask, servers, setPolicy } = await world(full, { lists: { beta: ['u-1'] } });
    const labels = [{ 'x-user': 'u-1' }, { 'x-lane': 'pr-1' }, {}];
    const answers = ['v2:blue', 'pr#pr-1', 'stable'];
    const all = async (): Promise<readonly string[]> =>
      (await Promise.all(labels.map((each) => ask(each)))).map(({ by }) => by);
    await expect.poll(all).toEqual(answers);
    for (const name of answers) for (const each of servers.get(name) ?? []) each.behave({ delayMs: 300 });
    const running = all();
    await new Promise((resolve) => setTimeout(resolve, 50));
    setPolicy({});
    const plain = all();
    setPolicy(full);
    expect(await running).toEqual(answers);
    expect(await plain).toEqual(['stable', 'stable', 'stable']);
    expect(await all()).toEqual(answers);
  });
});
