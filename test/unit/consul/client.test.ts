import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { ListenOptions } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/base/clock';
import { createConsulClient } from '../../../src/consul/client';
import { type ConsulOptions, parseConsulOptions } from '../../../src/consul/options';

async function serve(where: ListenOptions): Promise<{ readonly server: Server; readonly asked: string[] }> {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(request.url ?? '');
    response.writeHead(200, { 'x-consul-index': '7' }).end('[]');
  });
  await new Promise<void>((resolve) => server.listen(where, resolve));
  return { server, asked };
}

function addressOf(server: Server): string {
  const bound = server.address();
  return `http://127.0.0.1:${typeof bound === 'object' ? bound?.port : ''}`;
}

const open = (options: ConsulOptions) => createConsulClient(parseConsulOptions(options, {}), { clock: systemClock });
const ask = {
  path: '/health/service/{service}',
  params: { service: 'a b/c' },
  query: { tag: ['x', 'y'] },
  timeLimitMs: 2000,
};

describe('consul client', () => {
  it('reaches an agent through a unix socket, and escapes what goes into the path', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'graylane-unix-'));
    const { server, asked } = await serve({ path: join(folder, 'consul.sock') });
    const client = open({ address: `unix://${join(folder, 'consul.sock')}` });
    expect(await client.get(ask)).toMatchObject({ kind: 'answer', status: 200, index: 7n });
    expect(asked).toEqual(['/v1/health/service/a%20b%2Fc?tag=x&tag=y']);
    client.close();
    server.close();
    await rm(folder, { recursive: true, force: true });
  });

  it('takes an IPv6 address for one, not for a name to look up', async () => {
    const client = open({ address: 'http://[::1]:9' });
    // Refused where there is IPv6, impossible where there is none; ENOTFOUND would be the brackets.
    expect(await client.get(ask)).toMatchObject({
      kind: 'failure',
      reason: expect.stringMatching(/^(ECONNREFUSED|EADDRNOTAVAIL|ENETUNREACH|EAFNOSUPPORT) /),
    });
    client.close();
  });

  it('leaves an address that cannot be reached for the next one, and stays there', async () => {
    const { server, asked } = await serve({ port: 0, host: '127.0.0.1' });
    const client = open({
      address: ['http://127.0.0.1:9', addressOf(server)],
    });
    expect(await client.get(ask)).toMatchObject({ kind: 'answer' });
    expect(await client.get(ask)).toMatchObject({ kind: 'answer' });
    expect(client.load[0]).toMatchObject({ requests: 1, failures: 1, reason: 'ECONNREFUSED http://127.0.0.1:9' });
    expect(asked).toHaveLength(2);
    client.close();
    server.close();
  });

  it.each([
    { ageMs: 0, asked: '55000ms', longest: 10_000 },
    { ageMs: 20_000, asked: '55000ms', longest: 20_000 },
    { ageMs: 54_000, asked: '50000ms', longest: 50_000, least: 50_000 },
    { ageMs: 0, asked: '4000ms', longest: 4_000, least: 4_000 },
  ])('of $ageMs ms waits for $longest ms where $asked are asked for: its query may outlive it', async (row) => {
    const { ageMs, asked: wait, longest, least = 0.9 * longest } = row;
    const { server, asked } = await serve({ port: 0, host: '127.0.0.1' });
    let lateMs = 0;
    const clock = { ...systemClock, now: () => systemClock.now() + lateMs };
    const client = createConsulClient(parseConsulOptions({ address: addressOf(server) }, {}), { clock });
    lateMs = ageMs;
    await client.get({ ...ask, query: { index: '7', wait } });
    const waited = Number(/wait=(\d+)ms/.exec(asked[0] ?? '')?.[1]);
    expect(waited).toBeGreaterThanOrEqual(Math.floor(least));
    expect(waited).toBeLessThanOrEqual(longest + 1_000);
    client.close();
    server.close();
  });

  it.each([
    ['an empty list', 200, 'false', 1, '[]\n', 'failure'],
    ['null', 200, 'false', 1, 'null', 'failure'],
    ['an absent key', 404, 'false', 1, '', 'failure'],
    ['a list', 200, 'false', 1, '[{"Node":{}}]', 'answer'],
    // Of its own list an agent of 1.22 never says that it knows a leader.
    ['an empty list', 200, 'false', 18, '[]', 'answer'],
    ['an empty list', 200, 'true', 1, '[]', 'answer'],
    ['an absent key', 404, 'true', 1, '', 'answer'],
  ])('%s (%d) of who knows a leader: %s, at index %d: %j is a %s', async (_, status, knows, index, body, kind) => {
    const server = createServer((_request, response) => {
      response.writeHead(status, { 'x-consul-index': String(index), 'x-consul-knownleader': knows }).end(body);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const client = open({ address: addressOf(server) });
    const answer = await client.get(ask);
    expect(answer.kind).toBe(kind);
    if (answer.kind === 'failure') expect(answer.reason).toMatch(/^it tells nothing, and knows no leader/);
    client.close();
    server.close();
  });

  it('fails what is under way and what comes after when it is closed', async () => {
    const server = createServer(() => {});
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const client = open({ address: addressOf(server) });
    const under = client.get(ask);
    await new Promise((resolve) => server.once('request', resolve));
    client.close();
    client.close();
    expect(await under).toMatchObject({ kind: 'failure' });
    expect(await client.get(ask)).toEqual({ kind: 'failure', status: undefined, reason: 'closed' });
    server.close();
  });
});
