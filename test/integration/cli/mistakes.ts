import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { join } from 'node:path';
import * as grpc from '@grpc/grpc-js';
import { afterAll, beforeAll, expect } from 'vitest';
import { createAuthority } from '../../support/certificates';
import { closeAfterEach } from '../../support/closers';
import { passOn } from '../../support/consul/pass-on';
import { type ConsulCluster, type ConsulDatacenter, startConsul } from '../../support/consul/start';
import { type PaymentsServer, startPaymentsServer } from '../../support/payments';
import { reply, startScriptedConsul } from '../../support/scripted-consul';
import { type Ended, runHere } from './in-process';
import { commandWorld, policyOf } from './two-datacenters';

/** The command line that meets the mistake, once it is made. */
export interface Made {
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

const world = commandWorld({ acl: true });
const closing = closeAfterEach();
let servers: readonly PaymentsServer[] = [];
/** Without ACLs, with TLS at a second port, and few connections. */
let odd: ConsulCluster;

const CONNECTIONS = 4;

beforeAll(async () => {
  const host = createAuthority();
  const { cert, key } = host.issue({ names: ['localhost'] });
  const files = { ca: host.ca, cert, key };
  const [caFile = '', certFile = '', keyFile = ''] = Object.entries(files).map(([name, text]) =>
    world.file(`${name}.pem`, text),
  );
  odd = await startConsul({
    tls: { caFile, certFile, keyFile },
    config: { limits: { http_max_conns_per_client: CONNECTIONS } },
  });
  servers = await Promise.all([0, 1, 2].map(() => startPaymentsServer()));
  await serve('payments', 'pay1', 0, ['stable']);
  await serve('payments', 'pay2', 1, ['canary']);
  await put('payments', policyOf('payments'));
});

afterAll(async () => {
  for (const server of servers) server.kill();
  await odd.stop();
});

/** Runs a command against dc1, with the token that may do all unless `env` has another. */
export async function here(args: readonly string[], env: Made['env'] = {}): Promise<Ended> {
  const { address, token = '' } = dc1();
  return runHere(args, { CONSUL_HTTP_ADDR: address, CONSUL_HTTP_TOKEN: token, ...env });
}

const KEYS = 'key_prefix "graylane/" { policy = "read" }';
const NODES = 'node_prefix "" { policy = "read" }';
const SERVICES = 'service_prefix "" { policy = "read" }';
const READER = `${KEYS} ${NODES} ${SERVICES}`;

const dc1 = (): ConsulDatacenter => world.consul.dc('dc1');
const portOf = (at: number): number => servers[at]?.port ?? 0;

/** One instance on a server of its own. */
async function serve(name: string, id: string, at: number, tags: readonly string[], more: object = {}): Promise<void> {
  await dc1().register({ name, id, address: '127.0.0.1', port: portOf(at), tags, ...more });
}

async function pair(name: string): Promise<void> {
  await serve(name, `${name}-stable`, 0, ['stable']);
  await serve(name, `${name}-canary`, 1, ['canary']);
}

async function put(name: string, policy: object, key = `graylane/policies/${name}`): Promise<void> {
  await dc1().putKv(key, JSON.stringify(policy));
}

async function withToken(rules: string): Promise<{ readonly CONSUL_HTTP_TOKEN: string }> {
  return { CONSUL_HTTP_TOKEN: (await dc1().createToken(rules)).secret };
}

/** Of another machine, as the catalogue has it. */
async function elsewhere(name: string, node: string, id: string, address: string, port: number): Promise<void> {
  await dc1().request('PUT', '/v1/catalog/register', {
    Node: node,
    Address: '10.9.8.7',
    Service: { Service: name, ID: id, Address: address, Port: port },
  });
}

async function httpServer(): Promise<number> {
  const server = createHttpServer((_, response) => response.end('metrics'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closing(server, () => server.close());
  return (server.address() as AddressInfo).port;
}

async function tlsServer(): Promise<number> {
  const { cert, key } = createAuthority().issue({ names: ['localhost'] });
  const pairs = [{ cert_chain: Buffer.from(cert), private_key: Buffer.from(key) }];
  const credentials = grpc.ServerCredentials.createSsl(null, pairs);
  const server = await startPaymentsServer({}, '127.0.0.1', 0, credentials);
  return closing(server, () => server.kill()).port;
}

/** A Consul that answers this, whatever it is asked. */
async function scripted(status: number, body: unknown): Promise<Made> {
  const consul = closing(await startScriptedConsul(), (one) => one.stop());
  consul.answer((_, response) => reply(response, { status, body, index: '5' }));
  return { args: ['payments', '--consul', consul.address] };
}

function tree(copies: Readonly<Record<string, string>>): string {
  const folder = world.file(`tree-${Object.values(copies).join('-')}`, '');
  for (const [modules, version] of Object.entries(copies)) {
    const home = join(`${folder}.d`, modules, '@grpc', 'grpc-js');
    mkdirSync(home, { recursive: true });
    writeFileSync(join(home, 'package.json'), JSON.stringify({ version }));
  }
  return `${folder}.d`;
}

/** By the first column of the page. */
export const make: Readonly<Record<string, () => Promise<Made> | Made>> = {
  'a typo in the name of the service': () => ({ args: ['paymetns'] }),
  'the name of the service in another case': () => ({ args: ['Payments'] }),
  'an instance registers under a misspelt name': async () => {
    await serve('bills', 'b1', 0, []);
    await serve('bils', 'b2', 1, []);
    return { args: ['bills'] };
  },
  'a typo in a tag of a subset': async () => {
    await pair('tag');
    const subsets = { stable: { tags: ['stabel'] }, canary: { tags: ['canary'] } };
    await put('tag', { schema: 1, service: 'tag', subsets, default: 'stable' });
    return { args: ['tag'] };
  },
  'a typo in a tag of one instance': async () => {
    await pair('slip');
    await serve('slip', 's3', 2, ['stabel']);
    await put('slip', policyOf('slip'));
    return { args: ['slip'] };
  },
  'an instance that no subset takes': async () => {
    await pair('alone');
    await serve('alone', 'a3', 2, []);
    await put('alone', policyOf('alone'));
    return { args: ['alone'] };
  },
  'a canary, and no policy': async () => {
    await pair('wild');
    return { args: ['wild'] };
  },
  'a subset that no route names': async () => {
    await pair('idle');
    await put('idle', policyOf('idle', 5, { routes: [] }));
    return { args: ['idle'] };
  },
  'two subsets that are the same instances': async () => {
    await serve('twins', 't1', 0, ['stable', 'canary']);
    await put('twins', policyOf('twins'));
    return { args: ['twins'] };
  },
  'a filter that Consul refuses': async () => {
    await pair('filter');
    const canary = { filter: 'Service.Meta.lane is empty', fallback: 'stable' };
    await put('filter', policyOf('filter', 5, { subsets: { stable: { tags: ['stable'] }, canary } }));
    return { args: ['filter'] };
  },
  'a policy for a service that is not there': async () => {
    await put('early', policyOf('early'));
    return { args: ['early'] };
  },
  'a typo in a key of a policy that was put by hand': async () => {
    await pair('hand');
    await put('hand', { schema: 1, service: 'hand', defualt: 'stable' });
    return { args: ['hand'] };
  },
  'a policy written for a newer version': async () => {
    await pair('later');
    await put('later', policyOf('later', 5, { minSdk: '9.0.0', newer: true }));
    return { args: ['later'] };
  },
  'a policy file that is refused': async () => {
    const lines = ['schema: 1', 'service: file', 'subsets:', '  stable:', '    tags: [stable]', 'default: stabel', ''];
    return { args: ['file', '--policy', world.file('bad.yaml', lines.join('\n'))] };
  },
  'a policy file that is not there': () => ({ args: ['file', '--policy', '/nowhere/missing.yaml'] }),
  "a policy under another prefix of Consul's keys": async () => {
    await pair('prefix');
    await put('prefix', policyOf('prefix'), 'graylane/policy/prefix.json');
    return { args: ['prefix'] };
  },
  'a policy in another datacenter': async () => {
    await serve('far', 'f1', 0, []);
    await world.consul.dc('dc2').putKv('graylane/policies/far', JSON.stringify(policyOf('far')));
    return { args: ['far'] };
  },
  'a typo in a datacenter of `locality.failover`': async () => {
    await pair('over');
    await put('over', policyOf('over', 5, { locality: { failover: ['dc22'] } }));
    return { args: ['over'] };
  },
  'an instance in a datacenter of `failover` that no subset takes': async () => {
    await pair('aside');
    await put('aside', policyOf('aside', 5, { locality: { failover: ['dc2'] } }));
    for (const [at, tag] of ['stable', 'blue'].entries()) {
      const there = { name: 'aside', id: `f${at + 2}`, address: '127.0.0.1', port: portOf(at), tags: [tag] };
      await world.consul.dc('dc2').register(there);
    }
    return { args: ['aside'] };
  },
  'a typo in a datacenter of the options': () => ({ args: ['payments', '--dc', 'dc1,dc22'] }),
  'an override that was left': async () => {
    await pair('left');
    const until = new Date(Date.now() + 86_400_000).toISOString();
    await put('left', policyOf('left', 5, { override: { to: 'canary', until, by: 'ops', reason: 'incident 42' } }));
    return { args: ['left'] };
  },
  'an override that has ended': async () => {
    await pair('ended');
    const override = { to: 'canary', until: '2020-01-01T00:00:00Z', by: 'ops', reason: 'incident 41' };
    await put('ended', policyOf('ended', 5, { override }));
    return { args: ['ended'] };
  },
  'a rollout that no controller drives': async () => {
    await pair('stuck');
    await put('stuck', policyOf('stuck'));
    const started = await here(['rollout', 'start', 'stuck', '--weights', '5,50']);
    expect([started.code, started.stderr]).toEqual([0, expect.anything()]);
    return { args: ['stuck'] };
  },
  'all instances are critical': async () => {
    await serve('ill', 'i1', 0, [], { status: 'critical' });
    await serve('ill', 'i2', 1, [], { status: 'critical' });
    return { args: ['ill'] };
  },
  'an instance registers a loopback address': async () => {
    await elsewhere('loop', 'other', 'l1', '127.0.0.1', portOf(0));
    return { args: ['loop'] };
  },
  "an instance registers its container's address": async () => {
    await elsewhere('docker', 'other', 'd1', '172.17.0.2', 50_051);
    return { args: ['docker', '--no-dial'] };
  },
  'the service is registered behind Connect proxies alone': async () => {
    const more = { Kind: 'connect-proxy', Proxy: { DestinationServiceName: 'meshed' } };
    await dc1().register({ name: 'meshed-sidecar-proxy', address: '127.0.0.1', port: 21_000, more });
    return { args: ['meshed'] };
  },
  'two registrations of one address': async () => {
    await serve('ghost', 'g1', 0, []);
    await serve('ghost', 'g2', 0, []);
    return { args: ['ghost'] };
  },
  'one instance ID on two nodes': async () => {
    await serve('clone', 'c1', 0, []);
    await elsewhere('clone', 'other', 'c1', '10.9.8.7', portOf(1));
    return { args: ['clone', '--no-dial'] };
  },
  'the registered port is closed': async () => {
    const gone = await startPaymentsServer();
    gone.kill();
    await serve('shut', 's1', 0, []);
    await dc1().register({ name: 'shut', id: 's2', address: '127.0.0.1', port: gone.port });
    return { args: ['shut'] };
  },
  'the registered ports in a datacenter of `failover` are closed': async () => {
    const gone = await startPaymentsServer();
    gone.kill();
    await pair('spare');
    await put('spare', policyOf('spare', 5, { locality: { failover: ['dc2'] } }));
    const dc2 = world.consul.dc('dc2');
    await dc2.register({ name: 'spare', id: 'f1', address: '127.0.0.1', port: gone.port, tags: ['stable'] });
    return { args: ['spare'] };
  },
  'the registered port is of another server': async () => {
    await dc1().register({ name: 'web', id: 'w1', address: '127.0.0.1', port: await httpServer() });
    return { args: ['web'] };
  },
  'TLS is spoken, and clients use plaintext': async () => {
    await dc1().register({ name: 'secret', id: 's1', address: '127.0.0.1', port: await tlsServer() });
    return { args: ['secret'] };
  },
  'some instances speak TLS and some do not': async () => {
    await dc1().register({ name: 'mixed', id: 'm1', address: '127.0.0.1', port: await tlsServer() });
    await serve('mixed', 'm2', 0, []);
    return { args: ['mixed'] };
  },
  'plaintext is spoken, and clients use TLS': async () => {
    await serve('plain', 'p1', 0, []);
    return { args: ['plain', '--tls'] };
  },
  "nobody listens at Consul's address": () => ({ args: ['payments', '--consul', '127.0.0.1:1'] }),
  'the agent hangs': () => {
    const agent = odd.dc('dc1');
    agent.freeze();
    closing(agent, () => agent.thaw());
    return { args: ['payments', '--consul', agent.address] };
  },
  'plaintext is spoken to an agent that wants TLS': () => {
    const { secureAddress } = odd.dc('dc1');
    return { args: ['payments', '--consul', secureAddress.replace('https:', 'http:')] };
  },
  'TLS is spoken to an agent that has none': () => {
    const address = odd.dc('dc1').address.replace('http:', 'https:');
    return { args: ['payments', '--consul', address] };
  },
  'the agent is at its connection limit, and hangs up': async () => {
    const { address } = odd.dc('dc1');
    const { hostname, port } = new URL(address);
    // Fewer of them would do, were it not for connections of the test's own.
    for (let at = 0; at < CONNECTIONS; at += 1) {
      const socket = closing(connect(Number(port), hostname), (one) => one.destroy());
      socket.on('error', () => {});
      await new Promise((resolve) => socket.once('connect', resolve));
    }
    return { args: ['payments', '--consul', address] };
  },
  'something else than Consul answers there': () => scripted(200, '<!DOCTYPE html><html><body>Sign in</body></html>'),
  'the agent is at its connection limit, and says so': () =>
    scripted(429, 'Your IP is issuing too many concurrent connections, please rate limit your calls'),
  'Consul has no leader': () => scripted(200, ''),
  'a clock is an hour off': async () => {
    const target = dc1().address;
    const late = createHttpServer((incoming, outgoing) => {
      const { writeHead } = outgoing;
      const date = new Date(Date.now() - 3_600_000).toUTCString();
      outgoing.writeHead = ((status: number, headers: object) =>
        writeHead.call(outgoing, status, { ...headers, date })) as typeof writeHead;
      passOn(target, incoming, outgoing);
    });
    await new Promise<void>((resolve) => late.listen(0, '127.0.0.1', resolve));
    closing(late, (server) => server.close());
    return { args: ['payments', '--consul', `http://127.0.0.1:${(late.address() as AddressInfo).port}`] };
  },
  'the token does not exist, or has expired': () => ({
    args: ['payments'],
    env: { CONSUL_HTTP_TOKEN: '11111111-2222-3333-4444-555555555555' },
  }),
  'the token expires soon': async () => {
    const policy = await dc1().request('PUT', '/v1/acl/policy', { Name: 'passing', Rules: READER });
    const { ID } = (await policy.json()) as { readonly ID: string };
    const made = await dc1().request('PUT', '/v1/acl/token', { Policies: [{ ID }], ExpirationTTL: '1h' });
    const { SecretID } = (await made.json()) as { readonly SecretID: string };
    return { args: ['payments'], env: { CONSUL_HTTP_TOKEN: SecretID } };
  },
  'no token, and Consul denies by default': () => ({ args: ['payments'], env: { CONSUL_HTTP_TOKEN: '' } }),
  '`service:read` is missing': async () => ({ args: ['payments'], env: await withToken(`${KEYS} ${NODES}`) }),
  '`node:read` is missing': async () => ({ args: ['payments'], env: await withToken(`${KEYS} ${SERVICES}`) }),
  '`key:read` is missing': async () => ({ args: ['payments'], env: await withToken(`${NODES} ${SERVICES}`) }),
  '`key:write` is missing for `policy apply`': async () => ({
    args: ['payments', '--role', 'writer'],
    env: await withToken(READER),
  }),
  '`session:write` is missing for `rollout run`': async () => ({
    args: ['payments', '--role', 'controller'],
    env: await withToken(`${NODES} ${SERVICES} key_prefix "graylane/" { policy = "write" }`),
  }),
  '`agent:read` is missing for zones': async () => {
    await pair('zoned');
    await put('zoned', policyOf('zoned', 5, { locality: { zones: 'prefer' } }));
    return { args: ['zoned'], env: await withToken(READER) };
  },
  'the token is not known in a datacenter of `failover`': async () => {
    await pair('abroad');
    await put('abroad', policyOf('abroad', 5, { locality: { failover: ['dc2'] } }));
    return { args: ['abroad'], env: await withToken(READER) };
  },
  'two copies of grpc-js in `node_modules`': () => ({
    args: ['payments', '--tree', tree({ node_modules: '1.14.3', 'node_modules/nice/node_modules': '1.14.1' })],
  }),
  'grpc-js of a version that is not supported': () => ({
    args: ['payments', '--tree', tree({ node_modules: '1.13.4' })],
  }),
  'Node is too old': () => {
    const now = process.versions.node;
    const set = (value: string): unknown =>
      Object.defineProperty(process.versions, 'node', { value, configurable: true });
    closing(set('18.20.0'), () => set(now));
    return { args: ['payments'] };
  },
  'a variable is misspelt': () => ({ args: ['payments'], env: { GRAYLANE_ZNOE: 'a' } }),
  'the variable of the token is misspelt': () => ({ args: ['payments'], env: { CONSUL_HTTP_TOEKN: 'secret-text' } }),
  'a variable that there is not': () => ({ args: ['payments'], env: { GRAYLANE_CANARY: '1' } }),
  // A file in place of the folder: to root, every folder is writable.
  'the state directory cannot be written to': () => ({
    args: ['payments'],
    env: { XDG_STATE_HOME: world.file('state', 'a file') },
  }),
};
