import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ConsulCluster, startConsul } from '../../support/consul/start';
import { type PaymentsServer, startPaymentsServer } from '../../support/payments';
import { runFixture } from './child';

/** Nobody listens on port 1 of the loopback. */
const DEAD_PROXY = 'http://127.0.0.1:1';

let server: PaymentsServer;
beforeAll(async () => {
  server = await startPaymentsServer({ name: 'p1' });
});
afterAll(() => server.kill());

describe('a process whose environment', () => {
  it.each(['http_proxy', 'https_proxy', 'grpc_proxy'])(
    'names a proxy in %s calls its instances all the same',
    async (name) => {
      const { code, output, errors } = await runFixture('static-fixture.ts', [String(server.port)], {
        [name]: DEAD_PROXY,
      });
      expect({ code, output: output.trim(), errors }).toEqual({ code: 0, output: '["p1","p1","p1"]', errors: '' });
    },
  );

  it('makes grpc-js print everything it does, still calls, and prints nothing secret', async () => {
    const { code, output, errors } = await runFixture('static-fixture.ts', [String(server.port)], {
      GRPC_TRACE: 'all',
      GRPC_VERBOSITY: 'DEBUG',
      CONSUL_HTTP_TOKEN: 'not-for-the-log',
    });
    expect({ code, output: output.trim() }).toEqual({ code: 0, output: '["p1","p1","p1"]' });
    // What travels in channel options prints as a word, and was printed.
    expect(errors).toContain('"Graylane client client-1"');
    expect(errors).not.toContain('not-for-the-log');
  });
});

describe('graylane/register', () => {
  let consul: ConsulCluster;
  let address: string;
  beforeAll(async () => {
    consul = await startConsul();
    address = consul.dc('dc1').address;
    await consul.dc('dc1').register({ name: 'payments', id: 'p1', address: server.host, port: server.port });
  });
  afterAll(() => consul.stop());

  it('makes a bare target work from environment variables alone, and the process ends by itself', async () => {
    const { code, output, errors } = await runFixture('register-fixture.ts', [], { CONSUL_HTTP_ADDR: address });
    expect({ code, output: output.trim(), errors }).toEqual({
      code: 0,
      output: '{"servedBy":"p1","gray":"canary"}',
      errors: '',
    });
  });

  it('cannot keep grpc-js from a proxy, which its page of troubles has the cure for', async () => {
    const proxied = { CONSUL_HTTP_ADDR: address, http_proxy: DEAD_PROXY };
    expect((await runFixture('register-fixture.ts', [], proxied)).code).toBe(1);
    const cured = await runFixture('register-fixture.ts', [], { ...proxied, no_grpc_proxy: 'payments' });
    expect(cured).toMatchObject({ code: 0, output: '{"servedBy":"p1","gray":"canary"}\n' });
    const page = readFileSync(join(__dirname, '..', '..', '..', 'docs', 'troubleshooting.md'), 'utf8');
    expect(page).toContain('no_grpc_proxy=payments');
  });
});
