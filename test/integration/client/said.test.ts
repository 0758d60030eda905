import * as grpc from '@grpc/grpc-js';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { createGraylane, type Graylane, type LogFields, type PolicyDocument } from '../../../src/index';
import { createAuthority } from '../../support/certificates';
import { closeAfterEach, pause } from '../../support/closers';
import { startRecordingProxy } from '../../support/consul/recording-proxy';
import { type ConsulCluster, startConsul } from '../../support/consul/start';
import {
  charge,
  type PaymentsClient,
  type PaymentsServer,
  paymentsClient,
  startPaymentsServer,
} from '../../support/payments';

const opened = closeAfterEach();
let consul: ConsulCluster;
let servers: readonly PaymentsServer[];

beforeAll(async () => {
  consul = await startConsul({ datacenters: ['dc1', 'dc2'] });
  servers = await Promise.all([1, 2].map((n) => startPaymentsServer({ name: `s${n}` })));
});
afterAll(async () => {
  for (const server of servers) server.kill();
  await consul.stop();
});

interface Line {
  readonly message: string;
  readonly fields: LogFields | undefined;
}

function open(more: Parameters<typeof createGraylane>[0] = {}): { graylane: Graylane; lines: Line[] } {
  const lines: Line[] = [];
  const keep = (message: string, fields?: LogFields): void => void lines.push({ message, fields });
  const graylane = opened(
    createGraylane({
      consul: { address: consul.dc('dc1').address },
      datacenters: ['dc1', 'dc2'],
      logger: { debug() {}, info: keep, warn: keep, error: keep },
      ...more,
    }),
    (each) => each.close(),
  );
  return { graylane, lines };
}

function clientOf(graylane: Graylane, service: string): PaymentsClient {
  return paymentsClient(graylane.target(service), graylane.clientOptions());
}

async function register(service: string, tags: readonly string[], meta: Record<string, string> = {}): Promise<void> {
  for (const { name, host, port } of servers) {
    await consul.dc('dc1').register({ name: service, id: `${service}-${name}`, address: host, port, tags, meta });
  }
}

function detailsOf(client: PaymentsClient, labels = {}, deadlineMs = 5_000): Promise<string> {
  return charge(client, labels, { deadline: Date.now() + deadlineMs }).then(
    () => 'answered',
    (error: grpc.ServiceError) => error.details,
  );
}

const policyOf = (service: string, stable: NonNullable<PolicyDocument['subsets']>[string]): PolicyDocument => ({
  schema: 1,
  service,
  subsets: { stable },
});

it.each([
  ['a tag', { tags: ['stabel'] }, 'none in stable (tags: [stabel]); did you mean stable?'],
  ['a tag beside a right one', { tags: ['v1', 'stabel'] }, 'none in stable (tags: [v1, stabel]); did you mean stable?'],
  ['a value', { meta: { version: 'v22' } }, 'none in stable (meta: { version: v22 }); did you mean version: v2?'],
  ['a key', { meta: { verison: 'v2' } }, 'none in stable (meta: { verison: v2 }); did you mean version: v2?'],
  ['nothing near', { tags: ['production'] }, 'none in stable (tags: [production])'],
] as const)('a slip in %s is told with what is registered', async (what, subset, words) => {
  const service = `slip-${what.replaceAll(' ', '-')}`;
  await register(service, ['stable', 'v1'], { version: 'v2' });
  const { graylane } = open({ policies: { [service]: policyOf(service, subset as object) } });
  expect(await detailsOf(clientOf(graylane, service))).toBe(
    `${service}/stable: 2 registered in dc1, dc2, ${words}; fallback none`,
  );
});

it('a slip in the name of a service is told with the name that is near, and costs one question', async () => {
  await register('shipments', ['stable']);
  const proxy = opened(await startRecordingProxy(consul.dc('dc1').address), (each) => each.stop());
  const { graylane } = open({ consul: { address: proxy.address }, datacenters: ['dc1'] });
  const client = clientOf(graylane, 'shipmnets');
  await vi.waitFor(async () =>
    expect(await detailsOf(client)).toContain(
      '0 instances in dc1 (no such service is registered; did you mean shipments?)',
    ),
  );
  for (const name of ['a', 'b']) {
    // Any change in the registry may wake the query.
    await consul.dc('dc1').register({ name: 'shipmnets', id: name, port: 1, status: 'critical' });
    await consul.dc('dc1').deregister(name);
    await pause(200);
  }
  const asked = proxy.paths.filter((path) => path.startsWith('/v1/catalog/services'));
  expect(asked.length).toBeLessThanOrEqual(3);
  expect(asked.length).toBeGreaterThan(0);
});

it('a datacenter that is not there is told as such, with those that are', async () => {
  const { graylane, lines } = open({ datacenters: ['dc9'] });
  const details = await detailsOf(clientOf(graylane, 'nowhere'), {}, 1_500);
  expect(details).toMatch(
    /nowhere: instances not known from Consul \(dc9: no path to datacenter dc9; known: dc1, dc2; did you mean dc1\?\)/,
  );
  expect(lines.filter(({ message }) => message.includes('datacenter'))).toMatchObject([
    { message: 'Consul has no path to the datacenter; what is known stays in force', fields: { datacenter: 'dc9' } },
  ]);
  expect(lines.map(({ message }) => message).join()).not.toContain('does not answer');
});

it('what waits says for how long', async () => {
  const { graylane } = open({ consul: { address: 'http://127.0.0.1:9' } });
  const details = await detailsOf(clientOf(graylane, 'waits'), {}, 700);
  const [, seconds = ''] = /waiting for (\d+\.\d) s/.exec(details) ?? [];
  expect(Number(seconds)).toBeGreaterThan(0.5);
  expect(Number(seconds)).toBeLessThan(5);
});

it('malformed instances are told as malformed', async () => {
  await consul.dc('dc1').register({ name: 'garbled', address: '127.0.0.1', port: 7001, tags: ['a\nb'] });
  const { graylane, lines } = open({ datacenters: ['dc1'] });
  expect(await detailsOf(clientOf(graylane, 'garbled'), {}, 800)).toContain('1 of 1 instances are malformed');
  expect(lines.map(({ message }) => message)).toContain(
    'Consul lists malformed instances; what is known stays in force',
  );
});

it('an instance without a port is told as one, at once', async () => {
  await consul.dc('dc1').register({ name: 'portless', address: '127.0.0.1', port: 0 });
  const { graylane, lines } = open({ datacenters: ['dc1'] });
  const details = await detailsOf(clientOf(graylane, 'portless'), {}, 20_000);
  expect(details).toContain('0 instances in dc1 that can be called (portless: has no port to dial)');
  const left = lines.find(({ message }) => message === 'malformed instances are left out');
  expect(left?.fields).toMatchObject({ faults: 'portless: has no port to dial' });
});

it('a second entry for an address is told once, and is not called malformed', async () => {
  const [server] = servers;
  const again = (id: string, meta: Record<string, string> = {}) =>
    consul.dc('dc1').register({ name: 'twice', id, address: server?.host ?? '', port: server?.port ?? 0, meta });
  await again('a');
  await again('b');
  const { graylane, lines } = open();
  expect(await detailsOf(clientOf(graylane, 'twice'))).toBe('answered');
  for (let change = 0; change < 4; change += 1) {
    await again('a', { change: String(change) });
    await vi.waitFor(() => {
      const [service] = graylane.inspect().services;
      expect(service?.endpoints.map(({ instance }) => instance)).toEqual(['a']);
    });
    await pause(150);
  }
  expect(lines.filter(({ message }) => /registered at one address|malformed/.test(message))).toMatchObject([
    {
      message: 'several instances are registered at one address; the newest registration counts',
      fields: { duplicates: 1, which: expect.stringMatching(/^127\.0\.0\.1:\d+: b, not a$/) },
    },
  ]);
});

it('an outage of Consul is told once for all services and datacenters, and its end too', {
  timeout: 60_000,
}, async () => {
  const mortal = opened(await startConsul({ datacenters: ['dc1', 'dc2'], mode: 'server' }), (each) => each.stop());
  const { graylane, lines } = open({ consul: { address: mortal.dc('dc1').address } });
  const names = ['one', 'two', 'three'];
  // Held to the end: the service of a client that nobody holds is let go.
  const clients: ReturnType<typeof clientOf>[] = [];
  for (const name of names) {
    const [server] = servers;
    await mortal.dc('dc1').register({ name, address: server?.host ?? '', port: server?.port ?? 0 });
    const client = clientOf(graylane, name);
    clients.push(client);
    expect(await detailsOf(client)).toBe('answered');
  }
  const freshness = (): unknown[] =>
    graylane.inspect().services.flatMap(({ datacenters }) => datacenters.map(({ freshness: is }) => is));
  lines.length = 0;
  await mortal.dc('dc1').kill();
  await vi.waitFor(() => expect(new Set(freshness())).toEqual(new Set(['stale'])), { timeout: 20_000 });
  await pause(3_000);
  const told = lines.filter(({ message }) => message === 'Consul does not answer; what is known stays in force');
  // Reset while it was asked, then refused: two kinds at most, whatever the number of watches.
  expect(told.length).toBeGreaterThan(0);
  expect(new Set(told.map(({ fields }) => String(fields?.['reason']).split(' ')[0])).size).toBe(told.length);
  await mortal.dc('dc1').restart();
  await vi.waitFor(() => expect(new Set(freshness())).toEqual(new Set(['fresh'])), { timeout: 40_000, interval: 100 });
  const over = lines.filter(({ message }) => message === 'Consul answers again');
  expect(over.length).toBeGreaterThan(0);
  expect(over.length).toBeLessThanOrEqual(told.length);
  for (const client of clients) client.close();
});

it.each([
  ['TLS to a server without', true],
  ['plaintext to a server with TLS', false],
] as const)('%s is told in words', async (_what, isTlsClient) => {
  const authority = createAuthority();
  const { cert, key } = authority.issue({ names: ['tls'] });
  const secure = grpc.ServerCredentials.createSsl(null, [
    { cert_chain: Buffer.from(cert), private_key: Buffer.from(key) },
  ]);
  const server = opened(
    await startPaymentsServer({}, '127.0.0.1', 0, isTlsClient ? grpc.ServerCredentials.createInsecure() : secure),
    (each) => each.kill(),
  );
  const graylane = opened(
    createGraylane({ instances: { tls: [{ address: server.host, port: server.port }] } }),
    (each) => each.close(),
  );
  const credentials = isTlsClient
    ? grpc.credentials.createSsl(Buffer.from(authority.ca))
    : grpc.credentials.createInsecure();
  const client = paymentsClient(graylane.target('tls'), graylane.clientOptions(), credentials);
  const details = await detailsOf(client);
  expect(details).toContain(isTlsClient ? 'the server does not speak TLS there' : 'the server may want TLS');
  expect(details).not.toMatch(/SSL routines|openssl/i);
});
