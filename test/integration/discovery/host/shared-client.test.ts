import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, chown, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:http2';
import { connect as dial } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { expect, it } from 'vitest';
import { systemClock } from '../../../../src/base/clock';
import { silentLogger } from '../../../../src/base/logger';
import { systemRandom } from '../../../../src/base/random';
import { Coalescer } from '../../../../src/client/discovery/host/coalescer';
import { openHolder } from '../../../../src/client/discovery/host/holder';
import type { HostAsk } from '../../../../src/client/discovery/host/protocol';
import { SharedClient } from '../../../../src/client/discovery/host/shared-client';
import { FakeClock } from '../../../../src/client/testing/fake-clock';
import type { ConsulClient } from '../../../../src/consul/client';
import { type ConsulOptions, parseConsulOptions } from '../../../../src/consul/options';
import { createGraylane } from '../../../../src/index';
import { closeAfterEach } from '../../../support/closers';
import { startConsul } from '../../../support/consul/start';
import { scriptArgs } from '../../../support/script';
import { type ScriptedConsul, startScriptedConsul } from '../../../support/scripted-consul';

const closing = closeAfterEach();

async function directory(): Promise<string> {
  return closing(await mkdtemp(join(tmpdir(), 'gl-host-')), (path) => rm(path, { recursive: true, force: true }));
}

/** Blocking reads wait until `release()`; plain ones are answered at once, with the token that they came with. */
async function startAgent(): Promise<ScriptedConsul & { release(): void; waiting(): number }> {
  const consul = closing(await startScriptedConsul(), (opened) => opened.stop());
  const held: (() => void)[] = [];
  consul.answer((request, response) => {
    const index = request.query.get('index');
    const reply = (at: number): void => {
      response.setHeader('x-consul-index', String(at));
      response.end(JSON.stringify([request.token ?? 'none', request.path]));
    };
    if (index === null) return reply(7);
    const answer = (): void => reply(Number(index) + 1);
    held.push(answer);
    response.on('close', () => held.includes(answer) && held.splice(held.indexOf(answer), 1));
  });
  return {
    ...consul,
    release: () => {
      for (const answer of held.splice(0)) answer();
    },
    waiting: () => held.length,
  };
}

interface Opened extends ConsulClient {
  readonly lines: string[];
}

function open(stateDirectory: string, address: string, more: ConsulOptions = {}, version = '1'): Opened {
  const lines: string[] = [];
  const say = (message: string, fields: object = {}): void => void lines.push(`${message} ${JSON.stringify(fields)}`);
  const deps = { clock: systemClock, random: systemRandom, logger: { ...silentLogger, info: say, warn: say }, version };
  const client = new SharedClient(parseConsulOptions({ address, ...more }, {}), stateDirectory, deps);
  closing(client, (opened) => opened.close());
  return Object.assign(client, { lines });
}

async function read(client: ConsulClient, index?: number, signal?: AbortSignal): Promise<string> {
  const query = index === undefined ? {} : { index: String(index), wait: '50000ms' };
  const answer = await client.get({
    path: '/health/service/{service}',
    params: { service: 'pay' },
    query,
    timeLimitMs: 60_000,
    ...(signal === undefined ? {} : { signal }),
  });
  return answer.kind === 'answer' ? `${answer.index} ${answer.body}` : answer.reason;
}

it('two clients of a host wait on one request', async () => {
  const agent = await startAgent();
  const folder = await directory();
  const holder = open(folder, agent.address);
  const answers = [read(holder, 7)];
  await expect.poll(() => roles([holder])).toEqual(['holder']);
  const followers = [open(folder, agent.address), open(folder, agent.address)];
  answers.push(...followers.map((client) => read(client, 7)));
  await expect.poll(() => roles(followers)).toEqual(['follower', 'follower']);
  await expect.poll(() => agent.waiting()).toBe(1);
  // What has been asked over a socket reaches the holder in order: this answer comes after those questions.
  expect(await Promise.all(followers.map((client) => read(client)))).toHaveLength(2);
  agent.release();
  expect(await Promise.all(answers)).toEqual(Array(3).fill('8 ["none","/v1/health/service/pay"]'));
  expect(agent.requests.filter(({ query }) => query.has('index'))).toHaveLength(1);
  expect(holder.load).toMatchObject([{ openRequests: 0 }]);
  expect(followers.map((client) => client.load[0]?.mostOpenRequests)).toEqual([0, 0]);
  expect(followers.map((client) => client.load[0]?.requests)).toEqual([0, 0]);
  expect(holder.load[0]?.requests).toBe(agent.requests.length);
  expect([holder, ...followers].map(({ load }) => load[0]?.sharing?.role)).toEqual(['holder', 'follower', 'follower']);
});

it('each says which one it is and since when, through the end of the holder', async () => {
  const agent = await startAgent();
  const folder = await directory();
  const beganMs = Date.now();
  const first = open(folder, agent.address);
  expect(first.load[0]?.sharing).toBeUndefined();
  await read(first);
  const second = open(folder, agent.address);
  await read(second);
  const [one, two] = [first, second].map(({ load }) => load[0]?.sharing);
  expect([one?.role, two?.role]).toEqual(['holder', 'follower']);
  expect(one?.sinceMs).toBeGreaterThanOrEqual(beganMs);
  expect(two?.sinceMs).toBeGreaterThanOrEqual(one?.sinceMs ?? Number.POSITIVE_INFINITY);
  const waiting = read(second, 7);
  first.close();
  await expect.poll(() => second.load[0]?.sharing?.role, { timeout: 5_000 }).toBe('holder');
  expect(second.load[0]?.sharing?.sinceMs).toBeGreaterThanOrEqual(two?.sinceMs ?? Number.POSITIVE_INFINITY);
  await expect.poll(() => agent.waiting()).toBe(1);
  agent.release();
  expect(await waiting).toMatch(/^8 /);
});

it('the holder says which agent is ill', async () => {
  const well = await startAgent();
  const holder = open(await directory(), `http://127.0.0.1:1,${well.address}`);
  await read(holder);
  expect(holder.load).toMatchObject([
    { requests: 1, failures: 1, serves: false, reason: expect.stringContaining('ECONNREFUSED') as string },
    { requests: 1, failures: 0, serves: true, reason: undefined },
  ]);
});

it('one whose directory does not do for sharing says that it asks for itself', async () => {
  const agent = await startAgent();
  const folder = await directory();
  await chmod(folder, 0o777);
  const alone = open(folder, agent.address);
  await read(alone);
  expect(alone.load).toMatchObject([{ requests: 1, sharing: { role: 'alone' } }]);
});

it('clients that start at the same moment agree on one within a second', async () => {
  const agent = await startAgent();
  const folder = await directory();
  const clients = Array.from({ length: 8 }, () => open(folder, agent.address));
  const answers = clients.map((client) => read(client, 7));
  await expect.poll(() => roles(clients).filter((role) => role === 'follower').length, { timeout: 5_000 }).toBe(7);
  await expect.poll(() => agent.waiting(), { timeout: 5_000 }).toBe(1);
  // Whoever was the holder for a moment lets go of its question and asks it of the other.
  await expect
    .poll(async () => {
      agent.release();
      return Promise.race([Promise.all(answers), new Promise((resolve) => setImmediate(resolve, 'waiting'))]);
    })
    .toEqual(Array(8).fill('8 ["none","/v1/health/service/pay"]'));
});

/** What each of them said last. */
function roles(clients: readonly Opened[]): (string | undefined)[] {
  return clients.map(({ lines }) => /"role":"(\w+)"/.exec(lines.at(-1) ?? '')?.[1]);
}

it.each<[string, ConsulOptions, ConsulOptions, string, string]>([
  ['token', { token: 'one' }, { token: 'two' }, '1', '1'],
  ['no token', { token: 'one' }, {}, '1', '1'],
  ['namespace', { namespace: 'a' }, { namespace: 'b' }, '1', '1'],
  ['user and password', { httpAuth: 'a:b' }, { httpAuth: 'a:c' }, '1', '1'],
  ['version', {}, {}, '1', '2'],
])('clients that differ in %s ask apart', async (_what, first, second, firstVersion, secondVersion) => {
  const agent = await startAgent();
  const folder = await directory();
  const one = read(open(folder, agent.address, first, firstVersion), 7);
  const two = read(open(folder, agent.address, second, secondVersion), 7);
  await expect.poll(() => agent.waiting()).toBe(2);
  agent.release();
  expect(await one).toContain(`8 ["${first.token ?? 'none'}"`);
  expect(await two).toContain(`8 ["${second.token ?? 'none'}"`);
  expect((await readdir(join(folder, 'host'))).filter((name) => name.endsWith('.sock'))).toHaveLength(2);
});

it('clients with TLS and without, and of several addresses, meet elsewhere', async () => {
  const folder = await directory();
  const addresses = ['http://127.0.0.1:1', 'https://127.0.0.1:1', 'http://127.0.0.1:2'];
  const variants: ConsulOptions[] = [
    ...addresses.map((address) => ({ address })),
    { address: addresses.slice(0, 1), namespace: 'x' },
    { address: addresses[1] ?? '', tls: { servername: 'x' } },
    { address: addresses[1] ?? '', tls: { caFile: '/nowhere' } },
    { address: addresses[1] ?? '', tls: { rejectUnauthorized: false } },
  ];
  for (const options of variants) void read(open(folder, '', options), 7);
  await expect
    .poll(
      async () => (await readdir(join(folder, 'host')).catch(() => [])).filter((name) => name.endsWith('.sock')).length,
    )
    .toBe(variants.length);
});

it('a token that changes is asked with at once, and what waits with the old one is let be', async () => {
  const agent = await startAgent();
  const folder = await directory();
  let token = 'old';
  const rotating = { token: () => token };
  const [first, second] = [open(folder, agent.address, rotating), open(folder, agent.address, rotating)];
  expect(await read(first)).toContain('"old"');
  expect(await read(second)).toContain('"old"');
  const old = [read(first, 7), read(second, 7)];
  await expect.poll(() => agent.waiting()).toBe(1);
  expect(await read(second)).toContain('"old"');
  token = 'new';
  expect(await read(first)).toContain('"new"');
  expect(await read(second)).toContain('"new"');
  const renewed = [read(first, 7), read(second, 7)];
  await expect.poll(() => agent.waiting()).toBe(2);
  expect(await read(second)).toContain('"new"');
  agent.release();
  expect(await Promise.all(old)).toEqual(Array(2).fill('8 ["old","/v1/health/service/pay"]'));
  expect(await Promise.all(renewed)).toEqual(Array(2).fill('8 ["new","/v1/health/service/pay"]'));
  for (const name of await readdir(join(folder, 'host'))) expect(name).not.toMatch(/old|new/);
});

it('when the one that asks leaves, the others go on with the same question', async () => {
  const agent = await startAgent();
  const folder = await directory();
  const holder = open(folder, agent.address);
  void read(holder, 7);
  await expect.poll(() => roles([holder])).toEqual(['holder']);
  const others = [open(folder, agent.address), open(folder, agent.address)];
  const answers = others.map((client) => read(client, 7));
  await expect.poll(() => roles(others)).toEqual(['follower', 'follower']);
  holder.close();
  await expect.poll(() => roles(others).toSorted(), { timeout: 5_000 }).toEqual(['follower', 'holder']);
  for (const client of others) await read(client);
  await expect.poll(() => agent.waiting()).toBe(1);
  agent.release();
  expect(await Promise.all(answers)).toEqual(Array(2).fill('8 ["none","/v1/health/service/pay"]'));
});

it('a socket that a killed process left behind is no obstacle', async () => {
  const agent = await startAgent();
  const folder = await directory();
  const first = open(folder, agent.address);
  await read(first);
  const [name] = (await readdir(join(folder, 'host'))).filter((each) => each.endsWith('.sock'));
  first.close();
  await expect.poll(() => readdir(join(folder, 'host'))).toEqual([]);
  await writeFile(join(folder, 'host', name ?? ''), '');
  const second = open(folder, agent.address);
  expect(await read(second)).toContain('7 ');
  expect(second.lines.join()).toContain('"role":"holder"');
});

it.each<[string, (folder: string) => Promise<unknown>, string]>([
  ['others may write to the state directory', (folder) => chmod(folder, 0o777), 'others may not write'],
  [
    'others may enter the folder',
    async (folder) => mkdir(join(folder, 'host'), { mode: 0o755 }),
    'others may not enter',
  ],
  ['the folder is somebody else’s', foreign, 'owned by user 4242'],
  ['there is no folder to be had', (folder) => writeFile(join(folder, 'host'), ''), 'host: EEXIST'],
])('each process asks for itself where %s, and says so once', async (_what, prepare, reason) => {
  if (prepare === foreign && process.getuid?.() !== 0) return;
  const agent = await startAgent();
  const folder = await directory();
  await prepare(folder);
  const client = open(folder, agent.address);
  expect(await read(client)).toBe('7 ["none","/v1/health/service/pay"]');
  expect(await read(client)).toBe('7 ["none","/v1/health/service/pay"]');
  expect(client.lines).toHaveLength(1);
  expect(client.lines[0]).toContain(reason);
});

async function foreign(folder: string): Promise<void> {
  await mkdir(join(folder, 'host'), { mode: 0o700 });
  await chown(join(folder, 'host'), 4242, 4242);
}

it('each process asks for itself where the path is too long for a socket', async () => {
  const agent = await startAgent();
  const client = open(join(await directory(), 'x'.repeat(100)), agent.address);
  expect(await read(client)).toContain('7 ');
  expect(client.lines[0]).toContain('too long for a Unix socket');
});

it('is off with one option', async () => {
  const agent = await startAgent();
  const folder = await directory();
  const options = { consul: { address: agent.address }, stateDirectory: folder, logger: silentLogger };
  const graylane = closing(createGraylane({ ...options, shareWatches: false }), (opened) => opened.close());
  graylane.ready('pay', { timeoutMs: 1 }).catch(() => {});
  await expect.poll(() => agent.requests.length).toBeGreaterThan(0);
  expect(await readdir(folder)).toEqual([]);
  const sharing = closing(createGraylane(options), (opened) => opened.close());
  sharing.ready('pay', { timeoutMs: 1 }).catch(() => {});
  await expect.poll(() => readdir(join(folder, 'host')).catch(() => [])).not.toEqual([]);
});

it('a process that does not read its answer is let go', async () => {
  const clock = new FakeClock();
  const folder = await directory();
  const path = join(folder, 'x.sock');
  const body = Buffer.alloc(8 * 1024 * 1024);
  const answer = { kind: 'answer', status: 200, index: 8n, filteredByAcl: false, dateMs: undefined, body } as const;
  const coalescer = new Coalescer({ get: () => Promise.resolve(answer) }, clock);
  const holder = await openHolder(path, () => Promise.resolve(false), { coalescer, clock, onReplaced: () => {} });
  closing(holder, (opened) => opened?.close());
  const session = closing(connect('http://x', { createConnection: () => dial(path) }), (opened) => opened.destroy());
  const asked: HostAsk = {
    path: '/x',
    params: {},
    query: {},
    index: '7',
    isShort: false,
    isCompressed: false,
    afterMs: 0,
    timeLimitMs: 1_000,
  };
  const stream = session.request({ ':method': 'POST', ':path': '/' });
  stream.on('error', () => {});
  stream.end(JSON.stringify(asked));
  await new Promise((resolve) => stream.once('response', resolve));
  expect(session.closed).toBe(false);
  clock.advance(10_000);
  await expect.poll(() => session.closed || session.destroyed).toBe(true);
  await expect.poll(() => holder?.asked).toBe(0);
});

it('what is no question gets no answer, and the next one does', async () => {
  const agent = await startAgent();
  const folder = await directory();
  const client = open(folder, agent.address);
  await read(client);
  const [name] = await readdir(join(folder, 'host'));
  const path = join(folder, 'host', name ?? '');
  const session = closing(connect('http://x', { createConnection: () => dial(path) }), (opened) => opened.destroy());
  for (const text of ['', 'null', '{', '{"path":1}', 'x'.repeat(300_000)]) {
    const stream = session.request({ ':method': 'POST', ':path': '/' });
    stream.on('error', () => {});
    stream.end(text);
    const closed = new Promise((resolve) => stream.once('close', resolve));
    stream.resume();
    await closed;
  }
  expect(await read(open(folder, agent.address))).toContain('7 ');
});

it('a process that has closed its clients ends by itself, the one that was asked too', async () => {
  const consul = closing(await startConsul(), (opened) => opened.stop());
  await consul.dc('dc1').register({ name: 'pay', address: '127.0.0.1', port: 9 });
  const script = join(__dirname, 'fixtures', 'ending-process.ts');
  const child = spawn(process.execPath, [...scriptArgs(script), consul.dc('dc1').address, await directory()], {
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: 60_000,
  });
  const [output, [code]] = await Promise.all([text(child.stdout), once(child, 'exit')]);
  expect([output, code]).toEqual(['closed\n', 0]);
});
