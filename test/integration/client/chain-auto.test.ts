import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { closeAfterEach } from '../../support/closers';
import { startConsul } from '../../support/consul/start';
import { type ChargeReply, charge, paymentsClient, startPaymentsServer, tally } from '../../support/payments';
import { type EntryWorld, startEntryWorld, versions } from './config-entries';

const byVersion = (reply: ChargeReply): string => reply.version;

let world: EntryWorld;
const opened = closeAfterEach();

beforeAll(async () => {
  world = await startEntryWorld(['dc1']);
});
afterAll(() => world.close());

function recordingLogger(): { readonly lines: string[]; readonly logger: Parameters<typeof world.open>[0] } {
  const lines: string[] = [];
  const write = (level: string) => (message: string, fields?: object) =>
    void lines.push(`${level} ${message} ${JSON.stringify(fields)}`);
  const logger = { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') };
  return { lines, logger: { logger } };
}

describe('policy=auto', () => {
  it('follows config entries as they come and go, and a document before them', async () => {
    await world.serve('auto', 'one', { version: 'v1' });
    await world.serve('auto', 'two', { version: 'v2' });
    const graylane = world.open();
    const client = await world.client(graylane, 'auto', 'auto');
    const call = (): Promise<ChargeReply> => charge(client);
    expect(await world.until(graylane, 'auto', () => true)).toMatchObject({ origin: 'none' });
    expect([...(await tally(200, byVersion, call)).keys()].sort()).toEqual(['v1', 'v2']);

    await world.write(versions('auto', { DefaultSubset: 'v2' }));
    await world.until(graylane, 'auto', ({ origin }) => origin === 'chain');
    expect(Object.fromEntries(await tally(200, byVersion, call))).toEqual({ v2: 200 });

    const key = 'graylane/policies/auto';
    const document = { schema: 1, service: 'auto', subsets: { first: { meta: { version: 'v1' } } } };
    await world.consul.dc('dc1').putKv(key, JSON.stringify(document));
    await world.until(graylane, 'auto', ({ origin }) => origin === 'kv');
    expect(Object.fromEntries(await tally(200, byVersion, call))).toEqual({ v1: 200 });

    // A document that vanishes is no decision of anybody: its plan stays.
    await world.consul.dc('dc1').deleteKv(key);
    expect(await world.until(graylane, 'auto', ({ isOrphaned }) => isOrphaned)).toMatchObject({ origin: 'kv' });

    await world.consul.dc('dc1').putKv(key, JSON.stringify({ schema: 1, service: 'auto', tombstone: true }));
    await world.until(graylane, 'auto', ({ origin }) => origin === 'none');
    await world.consul.dc('dc1').deleteKv(key);
    await world.until(graylane, 'auto', ({ origin }) => origin === 'chain');

    await world.remove('service-resolver', 'auto');
    await world.until(graylane, 'auto', ({ origin }) => origin === 'none');
    expect([...(await tally(200, byVersion, call)).keys()].sort()).toEqual(['v1', 'v2']);
  });

  it('goes without entries where Connect is not enabled, says so once and is not held up', async () => {
    const consul = opened(await startConsul({ mode: 'server', config: { connect: { enabled: false } } }), (it) =>
      it.stop(),
    );
    const server = opened(await startPaymentsServer(), (it) => it.kill());
    await consul.dc('dc1').register({ name: 'payments', address: server.host, port: server.port });
    const { lines, logger } = recordingLogger();
    const graylane = world.open({ ...logger, consul: { address: consul.dc('dc1').address } });
    const beganAtMs = performance.now();
    await graylane.ready('payments');
    expect(performance.now() - beganAtMs).toBeLessThan(900);
    const client = opened(paymentsClient(graylane.target('payments'), graylane.clientOptions()), (it) => it.close());
    expect((await charge(client)).servedBy).toBe('p1');
    expect(graylane.inspect().services[0]?.policy).toMatchObject({ origin: 'none', failure: undefined });
    // Tried again meanwhile.
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    expect(lines.filter((line) => line.includes('Connect must be enabled'))).toHaveLength(1);

    const strict = graylane.target('payments', { policy: 'chain' });
    await expect(graylane.ready(strict, { timeoutMs: 500 })).rejects.toThrow(
      /policy not known \(discovery chain of payments: HTTP 500.*Connect must be enabled/,
    );
  });

  it('keeps the chain that was in force when it cannot be read any more, also over a restart', async () => {
    await world.serve('kept', 'one', { version: 'v1' });
    await world.serve('kept', 'two', { version: 'v2' });
    await world.serve('elsewhere', 'three', { version: 'v3' });
    const consul = opened(await startConsul(), (it) => it.stop());
    const dc = consul.dc('dc1');
    for (const [service, name] of [
      ['kept', 'one'],
      ['kept', 'two'],
      ['elsewhere', 'three'],
    ] as const) {
      const { host, port, version } = world.server(name);
      await dc.register({ name: service, id: name, address: host, port, meta: { version } });
    }
    const entry = versions('kept', { DefaultSubset: 'v2', Failover: { '*': { Service: 'elsewhere' } } });
    await (await dc.request('PUT', '/v1/config', entry)).text();
    const stateDirectory = opened(await mkdtemp(join(tmpdir(), 'graylane-chain-')), (it) =>
      rm(it, { recursive: true, force: true }),
    );
    const options = { consul: { address: dc.address }, stateDirectory };
    const first = world.open(options);
    await world.client(first, 'kept', 'auto');
    await world.until(first, 'kept', ({ origin }) => origin === 'chain');
    await dc.kill();
    await world.until(first, 'kept', ({ failure }) => failure !== undefined);
    expect(first.inspect().services[0]?.policy.origin).toBe('chain');
    await first.close();

    const second = world.open(options);
    const client = await world.client(second, 'kept', 'auto');
    expect(Object.fromEntries(await tally(200, byVersion, () => charge(client)))).toEqual({ v2: 200 });
    expect(await world.until(second, 'kept', () => true)).toMatchObject({ origin: 'chain' });
    // What stands in for it is remembered too.
    world.server('two').kill();
    const { version } = await charge(client);
    expect(version).toBe('v3');
  });
});
