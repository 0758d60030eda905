import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, ListenOptions } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createGraylane } from '../../../../src/index';
import { registerInstance } from '../../../../src/server';
import { closeAfterEach } from '../../../support/closers';
import { passOn } from '../../../support/consul/pass-on';
import { type ConsulCluster, type ConsulDatacenter, startConsul } from '../../../support/consul/start';

// A real Consul, and what people put between it and its clients.

const opened = closeAfterEach();
let cluster: ConsulCluster;
let dc1: ConsulDatacenter;
beforeAll(async () => {
  cluster = await startConsul();
  dc1 = cluster.dc('dc1');
});
afterAll(() => cluster.stop());

type Handler = (incoming: IncomingMessage, outgoing: ServerResponse) => void;

async function listen(where: ListenOptions, handler: Handler): Promise<Server> {
  const server = opened(createServer(handler), (each) => {
    each.closeAllConnections();
    each.close();
  });
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(where, resolve));
  return server;
}
const portOf = (server: Server): number => (server.address() as AddressInfo).port;
const onward: Handler = (incoming, outgoing) => passOn(dc1.address, incoming, outgoing);

/** Hands on what is asked for below `/hosted/consul`, and nothing else. */
const below: Handler = (incoming, outgoing) => {
  const path = /^\/hosted\/consul(\/v1\/.*)/.exec(incoming.url ?? '')?.[1];
  if (path === undefined) return void outgoing.writeHead(404, { 'content-type': 'text/html' }).end('<html></html>');
  passOn(dc1.address, Object.assign(incoming, { url: path }), outgoing);
};

const loopback = { port: 0, host: '127.0.0.1' };
const WAYS: readonly (readonly [name: string, make: () => Promise<string | readonly string[]>])[] = [
  [
    'a Unix socket',
    async () => {
      const folder = opened(await mkdtemp(join(tmpdir(), 'gl-ways-')), (path) => rm(path, { recursive: true }));
      await listen({ path: join(folder, 'consul.sock') }, onward);
      return `unix://${join(folder, 'consul.sock')}`;
    },
  ],
  ['an IPv6 address', async () => `http://[::1]:${portOf(await listen({ port: 0, host: '::1' }, onward))}`],
  ['an IPv6 address without a scheme', async () => `[::1]:${portOf(await listen({ port: 0, host: '::1' }, onward))}`],
  ['a path', async () => `http://127.0.0.1:${portOf(await listen(loopback, below))}/hosted/consul/`],
  ['a path that ends in /v1', async () => `http://localhost:${portOf(await listen(loopback, below))}/hosted/consul/v1`],
  [
    'a gateway that compresses unasked',
    async () => {
      const gateway = await listen(loopback, (incoming, outgoing) => {
        incoming.headers['accept-encoding'] = 'gzip';
        onward(incoming, outgoing);
      });
      return `http://127.0.0.1:${portOf(gateway)}`;
    },
  ],
  [
    'a gateway that adds headers which nobody knows',
    async () => {
      const gateway = await listen(loopback, (incoming, outgoing) => {
        outgoing.setHeader('x-consul-default-acl-policy', 'allow');
        outgoing.setHeader('x-consul-query-backend', 'streaming');
        onward(incoming, outgoing);
      });
      return `http://127.0.0.1:${portOf(gateway)}`;
    },
  ],
  [
    'the second of two, when a sign-in page is the first',
    async () => {
      const page = await listen(loopback, (_incoming, outgoing) => {
        outgoing.writeHead(200, { 'content-type': 'text/html' }).end('<html></html>');
      });
      return [`http://127.0.0.1:${portOf(page)}`, dc1.address];
    },
  ],
  [
    'the second of two, when the first leads to https',
    async () => {
      const moved = await listen(loopback, ({ url }, outgoing) => {
        outgoing.writeHead(301, { location: `https://127.0.0.1:9${url}` }).end();
      });
      return [`http://127.0.0.1:${portOf(moved)}`, dc1.address];
    },
  ],
];

describe('an agent is reached by', () => {
  it.each(WAYS)('%s: instances, a change, a policy', async (name, make) => {
    const service = `pay-${name.replaceAll(/\W+/g, '-')}`;
    const register = (id: string, port: number) => dc1.register({ name: service, id, address: '127.0.0.1', port });
    await register(`${service}-1`, 7001);
    await dc1.putKv(`graylane/policies/${service}`, JSON.stringify({ schema: 1, service, timeoutMs: 321 }));
    const graylane = opened(createGraylane({ consul: { address: await make() } }), (each) => each.close());
    await graylane.ready(service);
    const seen = () => graylane.inspect().services[0];
    expect(seen()?.policy.document).toMatchObject({ timeoutMs: 321 });
    expect(seen()?.endpoints.map(({ instance }) => instance)).toEqual([`${service}-1`]);
    const asked = graylane.inspect().consul.reduce((sum, { requests }) => sum + requests, 0);
    await register(`${service}-2`, 7002);
    await expect.poll(() => seen()?.endpoints.length, { timeout: 5_000 }).toBe(2);
    // Heard, not asked for again and again.
    const more = graylane.inspect().consul.reduce((sum, { requests }) => sum + requests, 0) - asked;
    expect(more).toBeLessThan(8);
  });

  it.each(WAYS.slice(0, 6))('%s: an instance that registers itself', async (name, make) => {
    const service = `self-${name.replaceAll(/\W+/g, '-')}`;
    const address = await make();
    const registration = registerInstance({
      name: service,
      port: 7001,
      address: '127.0.0.1',
      check: 'none',
      settleMs: 0,
      consul: { address },
    });
    opened(registration, (each) => each.stop());
    await registration.registered();
    const listed = await (await dc1.request('GET', `/v1/catalog/service/${service}`)).json();
    expect(listed).toMatchObject([{ ServiceName: service, ServicePort: 7001 }]);
  });
});
