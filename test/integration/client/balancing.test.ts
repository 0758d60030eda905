import { describe, expect, it } from 'vitest';
import { createGraylane, type Graylane, type PolicyDocument } from '../../../src/index';
import { spreadOfCount } from '../../support/chance';
import { closeAfterEach, pause } from '../../support/closers';
import { printFact } from '../../support/figure';
import { charge, type PaymentsServer, paymentsClient, startPaymentsServer, tally } from '../../support/payments';

const closing = closeAfterEach();

async function serve(count: number): Promise<PaymentsServer[]> {
  return Promise.all(
    Array.from({ length: count }, async (_, index) =>
      closing(await startPaymentsServer({ name: `p${index}` }), (server) => server.kill()),
    ),
  );
}

function open(
  servers: readonly PaymentsServer[],
  balancing: NonNullable<PolicyDocument['balancing']>,
  weights: readonly number[] = [],
): Graylane {
  const graylane = createGraylane({
    instances: {
      payments: servers.map(({ name, host, port }, index) => ({
        id: name,
        address: host,
        port,
        weight: weights[index] ?? 1,
      })),
    },
    policies: { payments: { schema: 1, service: 'payments', balancing } },
  });
  return closing(graylane, (opened) => opened.close());
}

/** Waits until the Graylane client has connected to as many endpoints as it means to. */
async function connected(graylane: Graylane, count: number): Promise<void> {
  await expect
    .poll(
      () =>
        graylane.inspect().services[0]?.endpoints.filter((endpoint) => endpoint.connections.includes('ready')).length ??
        0,
    )
    .toBe(count);
}

async function shares(graylane: Graylane, calls: number, concurrency = 16): Promise<Record<string, number>> {
  const client = paymentsClient(graylane.target('payments'), graylane.clientOptions());
  await graylane.ready('payments');
  const endpoints = graylane.inspect().services[0]?.endpoints.length ?? 0;
  await connected(graylane, endpoints);
  const counts = await tally(
    calls,
    (reply) => reply.servedBy,
    () => charge(client),
    concurrency,
  );
  client.close();
  return Object.fromEntries([...counts].sort());
}

describe('through a real channel', () => {
  it('spreads calls that are made in one go', async () => {
    const graylane = open(await serve(2), { algorithm: 'least_request' });
    await shares(graylane, 100);
    for (let burst = 0; burst < 5; burst += 1) {
      const { p0 = 0, p1 = 0 } = await shares(graylane, 50, 50);
      expect(Math.min(p0, p1)).toBeGreaterThanOrEqual(15);
    }
  });

  it('round_robin gives each endpoint exactly its weight of the calls', async () => {
    const servers = await serve(3);
    const graylane = open(servers, { algorithm: 'round_robin' }, [1, 2, 3]);
    expect(await shares(graylane, 600)).toEqual({ p0: 100, p1: 200, p2: 300 });
  });

  it.each(['random', 'least_request', 'peak_ewma'] as const)(
    '%s spreads calls over equal endpoints',
    async (algorithm) => {
      const servers = await serve(4);
      const counts = await shares(open(servers, { algorithm }), 2_000);
      printFact(`shares of 2,000 calls under ${algorithm}`, JSON.stringify(counts));
      for (const server of servers) {
        expect(counts[server.name]).toBeGreaterThan(2_000 / 4 / 3);
        expect(counts[server.name]).toBeLessThan((2_000 / 4) * 2);
      }
    },
  );

  it('random follows weights', async () => {
    const servers = await serve(2);
    const counts = await shares(open(servers, { algorithm: 'random' }, [1, 4]), 2_000);
    // 400 expected; five standard deviations.
    expect(Math.abs((counts['p0'] ?? 0) - 400)).toBeLessThan(90);
  });

  it.each(['peak_ewma', 'least_request'] as const)(
    '%s leaves a slow endpoint to itself under load',
    async (algorithm) => {
      const servers = await serve(3);
      // On a busy machine the others take tens of milliseconds.
      servers[0]?.behave({ delayMs: 400 });
      const counts = await shares(open(servers, { algorithm }), 1_500, 24);
      printFact(`calls of 1,500 to an endpoint that takes 400 ms under ${algorithm}`, String(counts['p0']));
      expect(counts['p0'] ?? 0).toBeLessThan(1_500 / 3 / 3);
    },
  );

  it('peak_ewma shuns a slow endpoint also when calls come one at a time, by what it has learned of it', async () => {
    const servers = await serve(3);
    // Far above what the first calls of a process take anywhere, which a peak-EWMA remembers for seconds.
    servers[0]?.behave({ delayMs: 400 });
    const graylane = open(servers, { algorithm: 'peak_ewma' });
    const counts = await shares(graylane, 200, 1);
    printFact('calls of 200, one at a time, to an endpoint that takes 400 ms', String(counts['p0'] ?? 0));
    const [slow, ...fast] = graylane.inspect().services[0]?.endpoints ?? [];
    expect(slow?.latencyMs).toBeGreaterThanOrEqual(390);
    for (const endpoint of fast) expect(endpoint.latencyMs).toBeGreaterThan(0);
    expect(counts['p0'] ?? 0).toBeLessThan(200 / 3 / 3);
  });

  it('ring_hash sends a label value to one endpoint, and moves few of them when one leaves', async () => {
    const servers = await serve(5);
    const graylane = open(servers, { algorithm: 'ring_hash', hashBy: 'x-user-id' });
    const client = paymentsClient(graylane.target('payments'), graylane.clientOptions());
    await graylane.ready('payments');
    await connected(graylane, 5);
    const users = Array.from({ length: 200 }, (_, index) => `u-${index}`);
    const placesOf = async (): Promise<string[]> =>
      Promise.all(users.map(async (user) => (await charge(client, { 'x-user-id': user })).servedBy));
    const before = await placesOf();
    expect(await placesOf()).toEqual(before);
    expect(new Set(before).size).toBe(5);

    const stayed = servers.slice(0, 4);
    graylane.setInstances(
      'payments',
      stayed.map(({ name, host, port }) => ({ id: name, address: host, port })),
    );
    const after = await placesOf();
    users.forEach((_, index) => {
      if (before[index] !== 'p4') expect(after[index]).toBe(before[index]);
      else expect(after[index]).not.toBe('p4');
    });
    const without = await tally(
      200,
      (reply) => reply.servedBy,
      () => charge(client),
    );
    expect(without.size).toBe(4);
  });

  it('a new endpoint starts slowly and ends with its share', async () => {
    const servers = await serve(2);
    const [veteran, rookie] = servers as [PaymentsServer, PaymentsServer];
    const slowStartMs = 3_000;
    const graylane = open([veteran], { algorithm: 'round_robin', slowStartMs });
    const client = paymentsClient(graylane.target('payments'), graylane.clientOptions());
    await charge(client);
    // The veteran's own slow start is over before the other comes.
    await pause(slowStartMs + 200);
    graylane.setInstances(
      'payments',
      servers.map(({ name, host, port }) => ({ id: name, address: host, port })),
    );
    await connected(graylane, 2);
    const rookieShare = async (): Promise<number> => {
      const counts = await tally(
        200,
        (reply) => reply.servedBy,
        () => charge(client),
        8,
      );
      return (counts.get(rookie.name) ?? 0) / 200;
    };
    const early = await rookieShare();
    await pause(slowStartMs + 500);
    const late = await rookieShare();
    printFact(
      'share of a new one of two endpoints',
      `${early.toFixed(2)} at first, ${late.toFixed(2)} after slow start`,
    );
    expect(early).toBeGreaterThan(0);
    expect(early).toBeLessThan(0.35);
    expect(Math.abs(late - 0.5)).toBeLessThan(spreadOfCount(200, 100) / 200);
  });

  it('subsetSize connects to that many endpoints and no more, whatever comes', async () => {
    const servers = await serve(12);
    const graylane = open(servers, { algorithm: 'round_robin', subsetSize: 4 });
    const client = paymentsClient(graylane.target('payments'), graylane.clientOptions());
    await graylane.ready('payments');
    await connected(graylane, 4);
    const counts = await tally(
      400,
      (reply) => reply.servedBy,
      () => charge(client),
    );
    expect([...counts.values()]).toEqual([100, 100, 100, 100]);
    const opened = (): number => servers.reduce((sum, server) => sum + server.sessions.opened, 0);
    expect(opened()).toBe(4);
    graylane.setPolicy('payments', {
      schema: 1,
      service: 'payments',
      balancing: { algorithm: 'peak_ewma', subsetSize: 4 },
    });
    await charge(client);
    await pause(200);
    expect(opened()).toBe(4);
  });
});

it('inspect() shows how slow an instance is, also where it is not avoided for it', async () => {
  const [quick, slower] = (await serve(2)) as [PaymentsServer, PaymentsServer];
  quick.behave({ delayMs: 40 });
  slower.behave({ delayMs: 90 });
  const graylane = open([quick, slower], {});
  const counts = await shares(graylane, 60, 1);
  const slowness = graylane.inspect().services[0]?.endpoints.map((endpoint) => endpoint.slowness) ?? [];
  const ofInstances = graylane.inspect().services[0]?.endpoints.map(({ instance }) => instance);
  const [of40 = 0, of90 = 0] = [quick, slower].map(({ name }) => slowness[ofInstances?.indexOf(name) ?? -1]);
  printFact('slowness of instances that take 40 and 90 ms', `${of40.toFixed(2)}, ${of90.toFixed(2)}`);
  expect(of90 / of40).toBeGreaterThan(1.5);
  expect(Math.min(...Object.values(counts))).toBeGreaterThan(20);
});
