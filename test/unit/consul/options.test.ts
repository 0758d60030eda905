import { describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/base/clock';
import { GraylaneError } from '../../../src/base/errors';
import { silentLogger } from '../../../src/base/logger';
import { systemRandom } from '../../../src/base/random';
import { createConsulSource } from '../../../src/client/discovery/consul/source';
import { createConsulClient } from '../../../src/consul/client';
import { type ParsedConsulOptions, parseConsulOptions } from '../../../src/consul/options';

const urls = (options: Parameters<typeof parseConsulOptions>[0], env = {}): readonly string[] =>
  parseConsulOptions(options, env).addresses.map((one) => one.socketPath ?? one.baseUrl);

const tokenOf = (parsed: ParsedConsulOptions): string | Promise<string> | undefined =>
  parsed.token?.kind === 'function' ? parsed.token.get() : parsed.token?.path;

function problemOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof GraylaneError && error.code === 'INVALID_OPTION') return error.message;
    throw error;
  }
  return expect.fail('nothing was refused');
}

describe('consul options', () => {
  it('have the usual defaults', () => {
    expect(parseConsulOptions({}, {})).toMatchObject({
      consistency: 'stale',
      waitMs: 55_000,
      token: undefined,
      httpAuth: undefined,
      tenancy: {},
      tls: { ca: undefined, cert: undefined, key: undefined, servername: undefined, rejectUnauthorized: true },
    });
    expect(urls({})).toEqual(['http://127.0.0.1:8500/v1']);
  });

  it('take every form of address, from the environment too', () => {
    expect(urls({}, { CONSUL_HTTP_ADDR: 'consul.example:8501', CONSUL_HTTP_SSL: 'true' })).toEqual([
      'https://consul.example:8501/v1',
    ]);
    expect(urls({}, { CONSUL_HTTP_ADDR: 'unix:///var/run/consul.sock' })).toEqual(['/var/run/consul.sock']);
    expect(urls({ address: 'a:1, https://b:2' }, {})).toEqual(['http://a:1/v1', 'https://b:2/v1']);
    expect(urls({}, { CONSUL_HTTP_ADDR: 'http://a:1,http://b:2', CONSUL_HTTP_SSL: 'true' })).toEqual([
      'https://a:1/v1',
      'https://b:2/v1',
    ]);
    expect(problemOf(() => parseConsulOptions({ address: 'a:1,' }, {}))).toContain('consul.address: ""');
    expect(
      urls({ address: ['http://a:1/', 'http://b:2/consul/', '[::1]:8500'] }, { CONSUL_HTTP_ADDR: 'nowhere' }),
    ).toEqual(['http://a:1/v1', 'http://b:2/consul/v1', 'http://[::1]:8500/v1']);
  });

  it('take the token from the option before the environment', async () => {
    expect(await tokenOf(parseConsulOptions({}, { CONSUL_HTTP_TOKEN: 'e' }))).toBe('e');
    expect(await tokenOf(parseConsulOptions({ token: () => Promise.resolve('f') }, { CONSUL_HTTP_TOKEN: 'e' }))).toBe(
      'f',
    );
    expect(parseConsulOptions({}, { CONSUL_HTTP_TOKEN: '' }).token).toBeUndefined();
  });

  it('are refused with the path and what was expected, all problems at once, secrets not shown', () => {
    const message = problemOf(() =>
      parseConsulOptions(
        { address: ['http://u:hunter2@a:1', 'ftp://a'], token: 'sec\r\nret', waitMs: 5, adress: 'x' } as never,
        {},
      ),
    );
    expect(message.split('\n').map((line) => line.split(':')[0])).toEqual([
      'consul.adress',
      'consul.address[0]',
      'consul.address[1]',
      'consul.token',
      'consul.waitMs',
    ]);
    expect(message).toContain('consul.waitMs: 5 (expected: 10000..60000)');
    expect(message).not.toMatch(/hunter2|sec|ret/);
    for (const address of ['', 'http://', 'http://a:0', 'http://a:99999', 'http://a?x=1', 'unix://relative', 7, null]) {
      expect(problemOf(() => parseConsulOptions({ address } as never, {}))).toContain('(expected: http://host:port');
    }
    expect(problemOf(() => parseConsulOptions({}, { CONSUL_HTTP_ADDR: 'ftp://a' }))).toContain(
      'CONSUL_HTTP_ADDR: "ftp://a"',
    );
  });

  it('datacenters are refused when empty, doubled or no names', () => {
    const client = createConsulClient(parseConsulOptions({}, {}), { clock: systemClock });
    const deps = { clock: systemClock, random: systemRandom, logger: silentLogger };
    const make = (datacenters: unknown) => createConsulSource({ client, datacenters } as never, deps);
    expect(problemOf(() => make([]))).toContain('datacenters: []');
    expect(problemOf(() => make(['dc1', 'dc1']))).toContain('datacenters[1]: "dc1"');
    expect(problemOf(() => make(['a b']))).toContain('datacenters[0]: "a b"');
    expect(problemOf(() => make('every'))).toContain("expected: 'all'");
    client.close();
  });
});
