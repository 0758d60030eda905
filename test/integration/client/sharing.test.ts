import { describe, expect, it } from 'vitest';
import { createGraylane } from '../../../src/index';
import { closeAfterEach, pause } from '../../support/closers';
import { startRecordingProxy } from '../../support/consul/recording-proxy';
import { startConsul } from '../../support/consul/start';
import { printFact } from '../../support/figure';
import { charge, paymentsClient, startPaymentsServer } from '../../support/payments';

const CHANNELS = 50;
const closing = closeAfterEach();

describe('the channels of one Graylane client to one service', () => {
  it('share one blocking query a datacenter and one for the policy, from the first to the last of them', async () => {
    const consul = closing(await startConsul({ datacenters: ['dc1', 'dc2'] }), (opened) => opened.stop());
    for (const datacenter of ['dc1', 'dc2']) {
      const server = closing(await startPaymentsServer({ name: datacenter, datacenter }), (opened) => opened.kill());
      const { name, host, port } = server;
      await consul.dc(datacenter).register({ name: 'payments', id: name, address: host, port });
    }
    await consul.dc('dc1').putKv('graylane/policies/payments', JSON.stringify({ schema: 1, service: 'payments' }));
    const proxy = closing(await startRecordingProxy(consul.dc('dc1').address), (opened) => opened.stop());
    const graylane = closing(
      createGraylane({ consul: { address: proxy.address }, datacenters: ['dc1', 'dc2'] }),
      (opened) => opened.close(),
    );
    const open = (): ReturnType<typeof paymentsClient>[] =>
      Array.from({ length: CHANNELS }, (_, index) =>
        // Options of their own, so that grpc-js shares nothing between them.
        paymentsClient(
          graylane.target('payments'),
          graylane.clientOptions({ 'grpc.primary_user_agent': `client-${index}` }),
        ),
      );
    const queries = (): string[] =>
      proxy
        .openPaths()
        .map((path) => new URL(path, proxy.address))
        .map((url) => `${decodeURIComponent(url.pathname)} ${url.searchParams.get('dc') ?? 'local'}`)
        .sort();
    const shared = ['/v1/health/service/payments dc2', '/v1/health/service/payments local'];
    const expected = [...shared, '/v1/kv/graylane/policies/payments local'];

    const clients = open();
    for (const client of clients) await charge(client);
    await expect.poll(queries).toEqual(expected);
    // One change is one more query each, not fifty.
    const before = proxy.paths.length;
    await consul
      .dc('dc1')
      .putKv('graylane/policies/payments', JSON.stringify({ schema: 1, service: 'payments', timeoutMs: 900 }));
    await expect.poll(() => graylane.inspect().services[0]?.policy.document?.timeoutMs).toBe(900);
    await expect.poll(queries).toEqual(expected);
    expect(proxy.paths.length - before).toBeLessThanOrEqual(2);
    printFact(
      `open queries of ${CHANNELS} channels over 2 datacenters`,
      `${queries().length} (${queries().join(', ')})`,
    );

    for (const client of clients.slice(1)) client.close();
    await pause(300);
    expect(queries()).toEqual(expected);
    expect((await charge(clients[0] as (typeof clients)[0])).servedBy).toBe('dc1');
    clients[0]?.close();
    await expect.poll(queries).toEqual([]);

    const again = open();
    for (const client of again) expect((await charge(client)).servedBy).toBe('dc1');
    await expect.poll(queries).toEqual(expected);
    await graylane.close();
    await expect.poll(queries).toEqual([]);
    await expect(charge(again[0] as (typeof again)[0])).rejects.toThrow('Channel has been shut down');
  });
});
