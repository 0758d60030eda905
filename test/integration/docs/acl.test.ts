import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { silentLogger } from '../../../src/base/logger';
import { createGraylane, type Graylane } from '../../../src/index';
import { closeAfterEach } from '../../support/closers';
import { createConsulApi } from '../../support/consul/http-api';
import { type ConsulCluster, type ConsulDatacenter, startConsul } from '../../support/consul/start';
import { charge, type PaymentsServer, paymentsClient, startPaymentsServer } from '../../support/payments';
import { fencesOf } from './fences';

const opened = closeAfterEach();
const KEY = 'graylane/policies/payments';
const document = (timeoutMs: number) => ({ schema: 1, service: 'payments', timeoutMs });

let cluster: ConsulCluster;
let consul: ConsulDatacenter;
let server: PaymentsServer;

beforeAll(async () => {
  cluster = await startConsul({ acl: true });
  consul = cluster.dc('dc1');
  server = await startPaymentsServer({ name: 'p1' });
  for (const name of ['payments', 'orders']) {
    await consul.register({ name, address: server.host, port: server.port });
    await consul.putKv(`graylane/policies/${name}`, JSON.stringify({ ...document(900), service: name }));
  }
});

afterAll(async () => {
  server.kill();
  await cluster.stop();
});

/** The rules of the page under this heading of theirs. */
function rules(title: string): string {
  const found = fencesOf('docs/security.md').find((fence) => fence.text.startsWith(`# ${title}\n`));
  return found?.text ?? expect.fail(`docs/security.md shows no rules for a ${title}`);
}

async function graylaneWith(given: string): Promise<Graylane> {
  const { secret } = await consul.createToken(given);
  const graylane = createGraylane({
    consul: { address: consul.address, token: secret },
    logger: silentLogger,
  });
  return opened(graylane, (each) => each.close());
}

async function isServed(graylane: Graylane, service: string): Promise<boolean> {
  const client = opened(paymentsClient(graylane.target(service), graylane.clientOptions()), (each) => each.close());
  return charge(client, {}, { deadline: Date.now() + 700 }).then(
    () => true,
    () => false,
  );
}

describe('the rules of the page, in a Consul that denies by default', () => {
  for (const title of ['reader', 'reader of all']) {
    it(`of the ${title} let calls through and follow the policy, and nothing more`, async () => {
      const graylane = await graylaneWith(rules(title));
      await graylane.ready('payments');
      expect(await isServed(graylane, 'payments')).toBe(true);
      await consul.putKv(KEY, JSON.stringify(document(800)));
      await expect.poll(() => graylane.inspect().services[0]?.policy.document?.timeoutMs).toBe(800);
      await consul.putKv(KEY, JSON.stringify(document(900)));
      await expect.poll(() => graylane.inspect().services[0]?.policy.document?.timeoutMs).toBe(900);
      await expect
        .poll(() => graylane.inspect().services[0]?.datacenters)
        .toMatchObject([{ datacenter: 'dc1', freshness: 'fresh' }]);
      expect(await isServed(graylane, 'orders')).toBe(title === 'reader of all');
    });

    const lines = rules(title).split('\n').slice(1);
    it.each(lines)(`of the ${title} need: %s`, async (line) => {
      const less = lines.filter((each) => each !== line);
      expect(less).toHaveLength(2);
      expect(await isServed(await graylaneWith(less.join('\n')), 'payments')).toBe(false);
    });
  }

  it('of the writer let a policy be read, written with check-and-set and in a transaction, and nothing more', async () => {
    const { secret } = await consul.createToken(rules('writer'));
    const api = createConsulApi(consul.address, secret);
    const [entry] = (await (await api.request('GET', `/v1/kv/${KEY}`)).json()) as [{ ModifyIndex: number }];
    const text = JSON.stringify(document(700));
    const written = await api.request('PUT', `/v1/kv/${KEY}?cas=${entry.ModifyIndex}`, text);
    expect(await written.json()).toBe(true);
    const stale = await api.request('PUT', `/v1/kv/${KEY}?cas=${entry.ModifyIndex}`, text);
    expect(await stale.json()).toBe(false);
    const Value = Buffer.from(JSON.stringify(document(900))).toString('base64');
    await api.request('PUT', '/v1/txn', [{ KV: { Verb: 'set', Key: KEY, Value } }]);
    for (const refused of [
      () => api.putKv('graylane/policies/orders', text),
      () => api.putKv('other', 'x'),
      () => api.register({ name: 'payments', id: 'mine', address: '127.0.0.1', port: 9 }),
      () => api.request('PUT', '/v1/session/create', {}),
    ]) {
      await expect(refused()).rejects.toThrow('403');
    }
  });

  it('of the reader let nothing be written', async () => {
    const { secret } = await consul.createToken(rules('reader'));
    const api = createConsulApi(consul.address, secret);
    await expect(api.putKv(KEY, JSON.stringify(document(1)))).rejects.toThrow('403');
    await expect(api.register({ name: 'payments', id: 'mine', port: 9 })).rejects.toThrow('403');
  });
});
