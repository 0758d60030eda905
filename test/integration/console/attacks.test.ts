import { connect } from 'node:net';
import { beforeAll, describe, expect, it } from 'vitest';
import { consoleOperations } from '../../../src/cli/console/operations';
import { pause } from '../../support/closers';
import { policyOf } from '../cli/two-datacenters';
import { consoleWorld } from './console-world';

const world = consoleWorld();
const HERE = (): string => `http://127.0.0.1:${world.port}`;
const ROLLOUT = 'schema: 1\nservice: payments\ncanary: canary\nstable: stable\nsteps: [{ setWeight: 5 }]\n';
const OVERRIDE = { to: 'stable', ttl: '30m', message: 'x' };

/** Consul's index of everything under a prefix: grows with every write. */
async function kvIndex(): Promise<string | null> {
  const { headers } = await world.consul.request('GET', '/v1/kv/graylane?recurse');
  return headers.get('x-consul-index');
}

beforeAll(async () => {
  await world.consul.register({ name: 'payments', id: 'p1', port: 9, address: '127.0.0.1', tags: ['stable'] });
  await world.consul.register({ name: 'payments', id: 'p2', port: 10, address: '127.0.0.1', tags: ['canary'] });
  await world.apply(policyOf('payments', 5), 'first');
});

describe('requests that another site makes a browser send', () => {
  it.each([
    ['a name that was bound to this address', { host: 'evil.example' }],
    ['such a name with the right port', { host: 'evil.example:9470' }],
    ['another origin', { origin: 'https://evil.example' }],
    ['an origin at another port of this machine', { origin: 'http://127.0.0.1:1' }],
    ['no origin at all, from a frame without one', { origin: 'null' }],
    ['another site', { 'sec-fetch-site': 'cross-site' }],
    ['a neighbour of the same site', { 'sec-fetch-site': 'same-site' }],
  ])('are refused: %s', async (_, headers) => {
    const before = await kvIndex();
    for (const method of ['GET', 'PUT'] as const) {
      const path = method === 'GET' ? '/api/services' : '/api/services/payments/override';
      const { status, json } = await world.ask(method, path, {
        headers: headers as Record<string, string>,
        ...(method === 'PUT' ? { body: OVERRIDE } : {}),
      });
      expect([status, json.error?.message]).toEqual([403, expect.stringContaining('expected')]);
      expect(json.result).toBeUndefined();
    }
    expect(await kvIndex()).toBe(before);
  });

  it('are refused for the page too, where the name is not ours', async () => {
    expect((await world.ask('GET', '/', { headers: { host: 'evil.example' } })).status).toBe(403);
  });

  it('are refused without the header that a form cannot send, and as a form', async () => {
    const body = JSON.stringify(OVERRIDE);
    const bare = await fetch(`${HERE()}/api/services/payments/override`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json', 'x-consul-token': world.consul.token ?? '' },
      body,
    });
    expect(bare.status).toBe(403);
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data']) {
      const { status } = await world.ask('PUT', '/api/services/payments/override', {
        headers: { 'content-type': type },
        body,
      });
      expect(status).toBe(415);
    }
    expect((await world.ask('OPTIONS', '/api/services')).headers['access-control-allow-origin']).toBeUndefined();
  });

  it('are answered where they are ours', async () => {
    for (const host of [`127.0.0.1:${world.port}`, `localhost:${world.port}`, `[::1]:${world.port}`]) {
      const headers = { host, origin: `http://${host}`, 'sec-fetch-site': 'same-origin' };
      expect((await world.ask('GET', '/api/services', { headers })).status).toBe(200);
    }
    const port = await world.open({ allowHost: ['console.internal'] });
    const headers = { host: 'console.internal', origin: 'https://console.internal' };
    expect((await world.ask('GET', '/api/services', { headers, port })).status).toBe(200);
  });
});

describe('every answer', () => {
  it.each(['/', '/team.js', '/style.css', '/api/services', '/api/nothing', '/nothing'])(
    'may not be framed, run anything inline, or be read by another site: %s',
    async (path) => {
      const { headers } = await world.ask('GET', path);
      const policy = String(headers['content-security-policy']);
      for (const part of ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'none'"]) {
        expect(policy).toContain(part);
      }
      expect(policy).not.toContain('unsafe');
      expect(headers).toMatchObject({
        'x-frame-options': 'DENY',
        'x-content-type-options': 'nosniff',
        'referrer-policy': 'no-referrer',
        'cross-origin-resource-policy': 'same-origin',
      });
      expect(headers['access-control-allow-origin']).toBeUndefined();
    },
  );

  it('of the API is kept by nobody', async () => {
    expect((await world.ask('GET', '/api/services')).headers['cache-control']).toBe('no-store');
  });
});

describe('the token', () => {
  it('is in no answer, no log and no history, whatever fails', async () => {
    const planted = 'feedface-0000-4000-8000-feedfacefeed';
    const answers = [
      await world.ask('GET', '/api/services/payments/policy', { token: planted }),
      await world.ask('PUT', '/api/services/payments/override', { token: planted, body: OVERRIDE }),
      await world.ask('PUT', '/api/services/payments/override', { token: planted, body: '{' }),
      await world.ask('GET', `/api/services?token=${planted}`),
      await world.ask('GET', '/api/services', { token: `${planted}\u00e9` }),
    ];
    expect(answers.map(({ status }) => status)).toEqual([403, 403, 400, 400, 400]);
    for (const { text, headers } of answers) expect(text + JSON.stringify(headers)).not.toContain(planted);
    expect(world.notes.join('\n')).not.toContain(planted);
    const { token = '' } = world.consul;
    const written = await world.ask('PUT', '/api/services/payments/override', { body: OVERRIDE });
    expect(written.status).toBe(200);
    const log = await world.run(['policy', 'log', 'payments', '--json']);
    for (const text of [written.text, log.stdout, ...world.notes]) expect(text).not.toContain(token);
    expect(world.notes.join('\n')).toContain('PUT /api/services/payments/override 200');
  });

  it('of the console is used for nobody else, but to show where nothing can be changed', async () => {
    const env = { CONSUL_HTTP_TOKEN: world.consul.token ?? '' };
    const open = await world.open({}, env);
    const anonymous = await world.ask<unknown[]>('GET', '/api/services', { port: open, token: '' });
    expect(anonymous.json.result ?? []).toEqual([]);
    const write = { port: open, token: '', body: OVERRIDE };
    expect((await world.ask('PUT', '/api/services/payments/override', write)).status).toBe(403);
    const reading = await world.open({ readOnly: true }, env);
    const shown = await world.ask<unknown[]>('GET', '/api/services', { port: reading, token: '' });
    expect(shown.json.result).toHaveLength(1);
  });

  it('decides what its owner may do', async () => {
    const { secret } = await world.consul.createToken(
      'service_prefix "" { policy = "read" } node_prefix "" { policy = "read" } key_prefix "graylane/" { policy = "read" }',
    );
    const read = await world.ask<unknown[]>('GET', '/api/services', { token: secret });
    expect(read.json.result).toHaveLength(1);
    const before = await kvIndex();
    const write = await world.ask('DELETE', '/api/services/payments/override', {
      token: secret,
      body: { message: 'x' },
    });
    expect([write.status, await kvIndex()]).toEqual([403, before]);
  });
});

describe('a console that only reads', () => {
  it('refuses every write by its method, with the best of tokens', async () => {
    const port = await world.open({ readOnly: true });
    const before = await kvIndex();
    const operations = consoleOperations({ env: {}, flags: {}, isReadOnly: true, sources: {} });
    const writes = operations.filter(({ method }) => method === 'PUT' || method === 'DELETE');
    expect(writes.length).toBeGreaterThan(7);
    for (const { method, path } of writes) {
      const { status } = await world.ask(method, `/api${path.replace('{service}', 'payments')}`, {
        port,
        body: OVERRIDE,
      });
      expect([method, path, status]).toEqual([method, path, 405]);
    }
    expect(await kvIndex()).toBe(before);
  });

  it('has no question that changes something', async () => {
    const operations = consoleOperations({ env: {}, flags: {}, isReadOnly: true, sources: {} });
    const bodies: Record<string, object> = {
      '/services/{service}/policy/check': { text: JSON.stringify(policyOf('payments', 50)) },
      '/services/{service}/weight/check': { subset: 'canary', percent: 50 },
      '/services/{service}/rollback/check': { revision: '1' },
      '/services/{service}/rollout/check': { text: ROLLOUT },
      '/services/{service}/explain': { labels: {} },
      '/services/{service}/explain/history': { labels: {} },
    };
    const questions = operations.filter(({ method }) => method === 'POST');
    expect(questions.map(({ path }) => path).sort()).toEqual(Object.keys(bodies).sort());
    const before = await kvIndex();
    for (const { path } of questions) {
      const asked = { body: bodies[path] };
      const { status, text } = await world.ask('POST', `/api${path.replace('{service}', 'payments')}`, asked);
      expect(status, text).toBe(200);
    }
    expect(await kvIndex()).toBe(before);
  });
});

describe('floods', () => {
  it('of long bodies are cut off, announced or not', async () => {
    const body = JSON.stringify({ text: 'x'.repeat(700 * 1024) });
    for (const headers of [{}, { 'transfer-encoding': 'chunked' }]) {
      const { status } = await world.ask('POST', '/api/services/payments/policy/check', { body, headers });
      expect(status).toBe(413);
    }
  });

  it('of requests are answered a few at a time, the rest is turned away, and it goes on', async () => {
    world.consul.freeze();
    const answers = Array.from({ length: 100 }, () => world.ask('GET', '/api/services'));
    const first = await Promise.all(answers.map((each) => Promise.race([each, pause(1_500)])));
    world.consul.thaw();
    // 16 at once, 64 that wait for one of them.
    expect(first.filter((each) => each !== undefined).map(({ status }) => status)).toEqual(Array(20).fill(503));
    const statuses = (await Promise.all(answers)).map(({ status }) => status);
    expect(statuses.filter((status) => status === 200)).toHaveLength(80);
  });

  it('of writes whose callers have gone are not begun', async () => {
    const before = await kvIndex();
    world.consul.freeze();
    const reads = Array.from({ length: 16 }, () => world.ask('GET', '/api/services'));
    await pause(500);
    const body = JSON.stringify(OVERRIDE);
    const head = ['PUT /api/services/payments/override HTTP/1.1', `host: 127.0.0.1:${world.port}`];
    const fields = ['x-graylane-console: 1', `x-consul-token: ${world.consul.token}`, 'content-type: application/json'];
    const socket = connect(world.port, '127.0.0.1');
    socket.write(`${[...head, ...fields, `content-length: ${body.length}`].join('\r\n')}\r\n\r\n${body}`);
    await pause(500);
    socket.destroy();
    await pause(500);
    world.consul.thaw();
    expect((await Promise.all(reads)).map(({ status }) => status)).toEqual(Array(16).fill(200));
    expect((await world.ask('GET', '/api/services')).status).toBe(200);
    expect(await kvIndex()).toBe(before);
  });

  it('of slow senders keep nobody waiting, and are cut off', async () => {
    const host = `host: 127.0.0.1:${world.port}`;
    const fields = [host, 'x-graylane-console: 1', 'content-type: application/json', 'content-length: 500'];
    const heads = [
      // A body that never ends, and a head that never does.
      `${['POST /api/services/payments/explain HTTP/1.1', ...fields].join('\r\n')}\r\n\r\n{"labels":`,
      `${['GET /api/services HTTP/1.1', host].join('\r\n')}\r\nx-slow: `,
    ];
    let closed = 0;
    const sockets = Array.from({ length: 80 }, (_, at) => {
      const socket = connect(world.port, '127.0.0.1').on('error', () => {});
      socket.on('close', () => {
        closed += 1;
      });
      socket.write(heads[at % heads.length] ?? '');
      return socket;
    });
    const trickle = setInterval(() => {
      for (const socket of sockets) if (socket.writable) socket.write(' ');
    }, 250);
    try {
      await pause(500);
      expect((await world.ask('GET', '/api/services')).status).toBe(200);
      const question = { body: { labels: {} } };
      expect((await world.ask('POST', '/api/services/payments/explain', question)).status).toBe(200);
      expect(closed).toBe(0);
      await expect.poll(() => closed, { timeout: 30_000 }).toBe(sockets.length);
    } finally {
      clearInterval(trickle);
      for (const socket of sockets) socket.destroy();
    }
  });

  it('of connections are closed', async () => {
    const sockets = Array.from({ length: 300 }, () => connect(world.port, '127.0.0.1').on('error', () => {}));
    const closed = Promise.all(
      sockets.slice(256).map((socket) => new Promise((resolve) => socket.once('close', resolve))),
    );
    await closed;
    for (const socket of sockets) socket.destroy();
    await expect.poll(async () => (await world.ask('GET', '/api/services')).status).toBe(200);
  });

  it.each([
    ['deep JSON', '['.repeat(50_000)],
    ['a body that is no object', '7'],
    ['a prototype', '{"__proto__":{"subset":"canary"},"percent":5}'],
    ['NaN', '{"subset":"canary","percent":"NaN"}'],
    ['an infinite percentage', '{"subset":"canary","percent":1e999}'],
  ])('of nonsense are told what is wrong: %s', async (_, body) => {
    const { status, json } = await world.ask('POST', '/api/services/payments/weight/check', { body });
    expect([status, json.error?.message]).toEqual([400, expect.any(String)]);
  });

  it.each([
    '/api/services/%2e%2e%2fsecrets/policy',
    '/api/services/a%00b/policy',
    `/api/services/${'x'.repeat(300)}/policy`,
    '/api/services/%zz/policy',
    '/../package.json',
    '/%2e%2e/package.json',
    '/package.json',
  ])('of paths lead nowhere: %s', async (path) => {
    expect((await world.ask('GET', path)).status).toBe(404);
  });
});
