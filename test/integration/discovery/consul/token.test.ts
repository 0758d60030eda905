import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../../src/base/clock';
import { GraylaneError } from '../../../../src/base/errors';
import { createConsulClient } from '../../../../src/consul/client';
import { type ConsulOptions, parseConsulOptions } from '../../../../src/consul/options';
import { closeAfterEach } from '../../../support/closers';
import { reply, type ScriptedConsul, startScriptedConsul } from '../../../support/scripted-consul';

const opened = closeAfterEach();
let scripted: ScriptedConsul;
let folder: string;
let lines: string[];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'graylane-token-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));
beforeEach(async () => {
  scripted = await startScriptedConsul();
  scripted.answer((_request, response) => reply(response, { index: '1', body: [] }));
  opened(scripted, (one) => one.stop());
  lines = [];
});

function open(options: ConsulOptions, env: Readonly<Record<string, string>> = {}) {
  const log = (message: string, fields: object = {}): void => void lines.push(`${message} ${JSON.stringify(fields)}`);
  const logger = { debug: log, info: log, warn: log, error: log };
  const client = createConsulClient(parseConsulOptions({ address: scripted.address, ...options }, env), {
    clock: systemClock,
    logger,
  });
  return opened(client, (each) => each.close());
}

const question = { path: '/catalog/datacenters', timeLimitMs: 20_000 };
const sent = (): readonly (string | undefined)[] => scripted.requests.map((request) => request.token);

function problemsOf(options: ConsulOptions, env: Readonly<Record<string, string>> = {}): string {
  try {
    parseConsulOptions(options, env);
  } catch (error) {
    if (error instanceof GraylaneError && error.code === 'INVALID_OPTION') return error.message;
  }
  return expect.fail('nothing was refused');
}

describe('the token in a file', () => {
  it('is followed when it is written over, renamed over, emptied in between and gone for a while', async () => {
    const path = join(folder, 'plain');
    await writeFile(path, 'first\n');
    const client = open({ tokenFile: path });
    await client.get(question);
    await writeFile(path, '');
    await client.get(question);
    await writeFile(path, ' second \n');
    await client.get(question);
    await writeFile(`${path}.new`, 'third');
    await rename(`${path}.new`, path);
    await client.get(question);
    await rm(path);
    await client.get(question);
    await client.get(question);
    await writeFile(path, 'two words');
    await client.get(question);
    await writeFile(path, 'fourth');
    await client.get(question);
    expect(sent()).toEqual(['first', 'first', 'second', 'third', 'third', 'third', 'third', 'fourth']);
    expect(lines.map((line) => line.replaceAll(path, 'PATH'))).toEqual([
      expect.stringContaining(
        'cannot be used; the last token stays {"path":"PATH","reason":"the token file PATH: empty',
      ),
      expect.stringContaining('can be used again'),
      expect.stringContaining('the token file PATH: ENOENT'),
      expect.stringContaining('the token file PATH: (not shown)'),
      expect.stringContaining('can be used again'),
    ]);
    expect(lines.join()).not.toMatch(/first|second|third|fourth|two words/);
  });

  it('is followed through links that are swapped, as mounted secrets are', async () => {
    const mount = join(folder, 'mount');
    for (const version of ['one', 'two']) {
      await mkdir(join(mount, version), { recursive: true });
      await writeFile(join(mount, version, 'token'), `token-${version}`);
    }
    await symlink('one', join(mount, '..data'));
    await symlink(join('..data', 'token'), join(mount, 'token'));
    const client = open({}, { CONSUL_HTTP_TOKEN_FILE: join(mount, 'token') });
    await client.get(question);
    await symlink('two', join(mount, '..next'));
    await rename(join(mount, '..next'), join(mount, '..data'));
    await client.get(question);
    expect(sent()).toEqual(['token-one', 'token-two']);
  });

  it('that was never there is a failure with its path, nothing is sent, and it is tried again', async () => {
    const path = join(folder, 'late');
    const client = open({ tokenFile: path });
    expect(await client.get(question)).toEqual({
      kind: 'failure',
      status: undefined,
      reason: `the token file ${path}: ENOENT (expected: a file that holds one token)`,
    });
    expect(await open({ tokenFile: folder }).get(question)).toMatchObject({
      reason: `the token file ${folder}: no such file (expected: a file that holds one token)`,
    });
    expect(sent()).toEqual([]);
    await writeFile(path, 'late');
    expect(await client.get(question)).toMatchObject({ kind: 'answer' });
    expect(sent()).toEqual(['late']);
  });
});

describe('the token', () => {
  it('of the options comes before the one of the environment, and an empty one means none', async () => {
    const path = join(folder, 'ranked');
    await writeFile(path, 'from-file');
    const env = { CONSUL_HTTP_TOKEN: 'from-env' };
    await open({}, env).get(question);
    await open({ tokenFile: path }, env).get(question);
    await open({ token: 'given' }, { CONSUL_HTTP_TOKEN_FILE: path }).get(question);
    await open({ token: '' }, env).get(question);
    expect(sent()).toEqual(['from-env', 'from-file', 'given', undefined]);
  });

  it('two of one rank are refused, and neither is shown', () => {
    expect(problemsOf({ token: 'hunter2', tokenFile: '/t' })).toBe(
      'consul.token: (not shown) (expected: not together with consul.tokenFile)',
    );
    expect(problemsOf({}, { CONSUL_HTTP_TOKEN: 'hunter2', CONSUL_HTTP_TOKEN_FILE: '/t' })).toBe(
      'CONSUL_HTTP_TOKEN: (not shown) (expected: not together with CONSUL_HTTP_TOKEN_FILE)',
    );
    expect(problemsOf({ tokenFile: '' })).toContain('consul.tokenFile: (not shown) (expected: the path of a file)');
  });

  it('of a function that hangs fails its request within five seconds, not at the end of the wait', async () => {
    const before = performance.now();
    const answer = await open({ token: () => new Promise<string>(() => {}) }).get(question);
    expect(answer).toMatchObject({ reason: 'the token could not be had: nothing within 5000 ms' });
    expect(performance.now() - before).toBeLessThan(10_000);
    expect(sent()).toEqual([]);
  });

  it('does not go where a redirect points', async () => {
    const elsewhere = opened(await startScriptedConsul(), (one) => one.stop());
    for (const status of [301, 302, 307, 308]) {
      scripted.answer((_request, response) =>
        reply(response, { status, headers: { location: `${elsewhere.address}/v1/catalog/datacenters` }, body: '' }),
      );
      expect(await open({ token: 'secret' }).get(question)).toEqual({
        kind: 'failure',
        status,
        reason: `HTTP ${status}: redirects are not followed (expected: Consul's own address)`,
      });
    }
    expect(elsewhere.requests).toEqual([]);
  });

  it('is cut out of what an answer echoes, in the usual disguises and where the shown part ends', async () => {
    const token = 'se"cret+token/of=36-characters-or-so';
    const disguises = [token, encodeURIComponent(token), JSON.stringify(token), Buffer.from(token).toString('base64')];
    const client = open({ token });
    for (const disguise of disguises) {
      for (const lead of [0, 150, 380, 395]) {
        scripted.answer((_request, response) =>
          reply(response, { status: 500, body: `${'\n'.repeat(lead)}${disguise}` }),
        );
        const answer = await client.get(question);
        expect(answer).toMatchObject({ reason: expect.stringMatching(/^HTTP 500: "?\[token\]"?$/) });
      }
    }
    scripted.answer((_request, response) => reply(response, { status: 500, body: disguises[0]?.repeat(1000) }));
    expect(JSON.stringify(await client.get(question))).toMatch(/HTTP 500: (\[token\])+(\[token?)?/);
    // Nothing but redactions and control characters: what the window cuts in two must not show.
    const lead = '\n'.repeat(16 * 1024 - 10);
    scripted.answer((_request, response) => reply(response, { status: 500, body: lead + token }));
    expect(await client.get(question)).toMatchObject({ reason: 'HTTP 500' });
  });
});

describe('what else a request carries', () => {
  it('a body where it writes, with the same credentials; that a transaction did not hold is an answer', async () => {
    scripted.answer((_request, response) => reply(response, { status: 409, body: '{"Errors":[]}' }));
    const client = open({ token: 'secret', namespace: 'team-a' });
    const answer = await client.put({ path: '/txn', body: '[{"KV":{}}]', timeLimitMs: 2000 });
    expect(answer).toMatchObject({ kind: 'answer', status: 409 });
    expect(scripted.requests).toMatchObject([{ method: 'PUT', path: '/v1/txn', token: 'secret', body: '[{"KV":{}}]' }]);
    expect(scripted.requests[0]?.query.toString()).toBe('ns=team-a');
  });

  it('namespace and partition, from options or the environment, in every read', async () => {
    const client = open({ namespace: 'team-a', partition: 'part-1' }, { CONSUL_NAMESPACE: 'else' });
    await client.get(question);
    await client.get({ ...question, path: '/kv/{key}', params: { key: 'a/b' }, query: { dc: 'dc2', ns: 'other' } });
    await open({}, { CONSUL_NAMESPACE: 'team-b', CONSUL_PARTITION: 'part-2' }).get(question);
    expect(scripted.requests.map((request) => request.query.toString())).toEqual([
      'ns=team-a&partition=part-1',
      'dc=dc2&ns=team-a&partition=part-1',
      'ns=team-b&partition=part-2',
    ]);
    expect(problemsOf({ namespace: 'a b' }, { CONSUL_PARTITION: '../x' })).toBe(
      'consul.namespace: "a b" (expected: a name of letters, digits, - and _)\n' +
        'CONSUL_PARTITION: "../x" (expected: a name of letters, digits, - and _)',
    );
  });

  it('the password of a proxy before Consul, which is not repeated either', async () => {
    scripted.answer((_request, response) =>
      reply(response, { status: 401, body: 'no hunter2 for Basic dXNlcjpodW50ZXIy' }),
    );
    expect(await open({}, { CONSUL_HTTP_AUTH: 'user:hunter2' }).get(question)).toMatchObject({
      reason: 'HTTP 401: no [token] for Basic [token]',
    });
    expect(scripted.requests[0]?.authorization).toBe('Basic dXNlcjpodW50ZXIy');
    expect(problemsOf({ httpAuth: 'hunter2\r\n' })).toBe('consul.httpAuth: (not shown) (expected: user:password)');
  });

  it('a count of how many are open at once, with one warning near what an agent takes', async () => {
    scripted.answer(() => {});
    const client = open({});
    const aborts = Array.from({ length: 170 }, () => new AbortController());
    const all = aborts.map(({ signal }) => client.get({ ...question, signal }));
    expect(client.load).toMatchObject([{ address: scripted.address, openRequests: 170, mostOpenRequests: 170 }]);
    for (const abort of aborts) abort.abort();
    await Promise.all(all);
    expect(client.load).toMatchObject([{ address: scripted.address, openRequests: 0, mostOpenRequests: 170 }]);
    expect(lines).toEqual([expect.stringContaining('"openRequests":160,"limit":200')]);
  });
});

describe('options of TLS', () => {
  const env = (more: Readonly<Record<string, string>>) => ({ CONSUL_HTTP_ADDR: 'a:1', ...more });
  const addressOf = (options: ConsulOptions, more: Readonly<Record<string, string>> = {}, elsewhere?: string) =>
    parseConsulOptions(options, env(more), elsewhere).addresses[0]?.text;

  it('that ask for TLS are never undone by an address', () => {
    expect(addressOf({}, { CONSUL_HTTP_SSL: '1' })).toBe('https://a:1');
    expect(addressOf({}, { CONSUL_HTTP_SSL: 'true', CONSUL_HTTP_ADDR: 'http://b:2' })).toBe('https://b:2');
    expect(addressOf({ address: 'c:3', tls: { servername: 'x' } })).toBe('https://c:3');
    expect(problemsOf({ address: ['https://a:1', 'http://c:3'], tls: { servername: 'x' } })).toBe(
      'consul.address[1]: http://c:3 (expected: an https:// address, since consul.tls is given)',
    );
    expect(problemsOf({}, { CONSUL_HTTP_SSL: 'yes' })).toBe('CONSUL_HTTP_SSL: "yes" (expected: true or false)');
    expect(addressOf({ address: 'https://a:1' }, {}, 'd:4')).toBe('https://d:4');
    expect(addressOf({ address: 'http://a:1' }, {}, 'd:4')).toBe('http://d:4');
  });

  it('that switch verification off are warned of, once', async () => {
    const client = open({ address: scripted.address.replace('http:', 'https:'), tls: { rejectUnauthorized: false } });
    await client.get(question);
    await client.get(question);
    expect(lines).toEqual([expect.stringContaining('certificates of Consul are not verified')]);
  });

  it('that contradict each other or are half given are refused, keys not shown', () => {
    const pem = '-----BEGIN PRIVATE KEY-----\nhunter2';
    expect(problemsOf({ tls: { ca: pem, caFile: '/ca', key: 'hunter2', other: 1 } as never }).split('\n')).toEqual([
      expect.stringContaining('consul.tls.other: unknown (expected: ca, caFile'),
      'consul.tls.caFile: given (expected: not together with consul.tls.ca)',
      'consul.tls.key: (not shown) (expected: PEM text; a path goes into keyFile)',
      'consul.tls.key: given (expected: cert or certFile too)',
    ]);
    expect(problemsOf({ tls: { certFile: '/c' } }, { CONSUL_CLIENT_KEY: '/k' })).toBe(
      'consul.tls.certFile: given (expected: key or keyFile too)',
    );
    expect(problemsOf({}, { CONSUL_CLIENT_CERT: '/c' })).toBe(
      'CONSUL_CLIENT_CERT: given (expected: CONSUL_CLIENT_KEY too)',
    );
    expect(problemsOf({}, { CONSUL_CACERT: '/c', CONSUL_CAPATH: '/p' })).toBe(
      'CONSUL_CAPATH: given (expected: not together with CONSUL_CACERT)',
    );
    expect(problemsOf({ tls: 'yes' as never })).toContain('consul.tls: a string (expected: an object with ca, caFile');
    expect(problemsOf({ tls: { rejectUnauthorized: 'no' as never } })).toContain(
      'consul.tls.rejectUnauthorized: string',
    );
  });
});
