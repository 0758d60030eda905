import * as grpc from '@grpc/grpc-js';
import { type CallOptions, createClientFactory, Metadata } from 'nice-grpc';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createGraylane, type Graylane } from '../../../src/index';
import {
  type ChargeReply,
  charge,
  Payments,
  type PaymentsClient,
  type PaymentsServer,
  paymentsClient,
  startPaymentsServer,
} from '../../support/payments';

const CALLS = 1_000;

let server: PaymentsServer;
let graylane: Graylane;

beforeEach(async () => {
  server = await startPaymentsServer();
  graylane = createGraylane({ instances: { payments: [{ address: server.host, port: server.port }] } });
});

afterEach(async () => {
  await graylane.close();
  server.kill();
});

/** Begins `CALLS` calls at once, each in a context of its own, and counts the answers that bear another's label. */
async function mixedUp(call: (index: number) => Promise<ChargeReply>): Promise<number> {
  const replies = await Promise.all(
    Array.from({ length: CALLS }, (_, index) =>
      graylane.with({ labels: { 'x-tag': `tag-${index}` } }, async () => {
        await Promise.resolve();
        return call(index);
      }),
    ),
  );
  return replies.filter((reply, index) => reply.tag !== `tag-${index}`).length;
}

describe('labels of the async context, with one Metadata object shared by all calls', () => {
  it('are never mixed up, neither before the first resolution nor after', async () => {
    const client = paymentsClient(graylane.target('payments'), graylane.clientOptions());
    const shared = new grpc.Metadata();
    expect(await mixedUp(() => charge(client, shared))).toBe(0);
    expect(await mixedUp(() => charge(client, shared))).toBe(0);
    expect(shared.getMap()).toEqual({});
  });

  it('are never mixed up through per-call interceptors', async () => {
    const client = paymentsClient(graylane.target('payments'), graylane.clientOptions());
    const shared = new grpc.Metadata();
    const interceptors = [passThrough];
    expect(await mixedUp(() => charge(client, shared, { interceptors, deadline: Date.now() + 20_000 }))).toBe(0);
  });

  it('are never mixed up through interceptor_providers of the client', async () => {
    const client = paymentsClient(
      graylane.target('payments'),
      graylane.clientOptions({ interceptor_providers: [() => passThrough] }),
    );
    const shared = new grpc.Metadata();
    expect(await mixedUp(() => charge(client, shared))).toBe(0);
  });

  it('are never mixed up through nice-grpc', async () => {
    const channel = graylane.channel('payments', grpc.credentials.createInsecure());
    const client = createClientFactory().create(Payments.service as never, channel) as unknown as {
      Charge(request: object, options?: CallOptions): Promise<ChargeReply>;
    };
    expect(await mixedUp(() => client.Charge({ order: 'o' }))).toBe(0);
    const reply = await client.Charge({ order: 'o' }, { metadata: Metadata(graylane.labels({ 'X-Gray': 'canary' })) });
    expect(reply.gray).toBe('canary');
    channel.close();
  });
});

describe('graylane.with', () => {
  let client: PaymentsClient;
  beforeEach(() => {
    client = paymentsClient(graylane.target('payments'), graylane.clientOptions());
  });

  it("lets a call's own metadata win over its scope, an inner scope over an outer one", async () => {
    const reply = await graylane.with({ labels: { 'x-tag': 'outer', 'x-gray': 'scope' } }, () =>
      graylane.with({ labels: { 'x-tag': 'inner' } }, () => charge(client, { 'x-gray': 'own' })),
    );
    expect(reply).toMatchObject({ tag: 'inner', gray: 'own' });
  });

  it('reports each call to its observer', async () => {
    const reports: unknown[] = [];
    await graylane.with({ observe: (report) => reports.push(report) }, () => charge(client));
    expect(reports).toEqual([
      expect.objectContaining({
        service: 'payments',
        method: '/shop.v1.Payments/Charge',
        code: 0,
        decision: expect.objectContaining({ by: 'default', subset: '*' }),
        attempts: [expect.objectContaining({ endpoint: `127.0.0.1:${server.port}`, code: 0, tier: 0 })],
      }),
    ]);
  });

  it('survives an observer that throws', async () => {
    const observe = (): never => {
      throw new Error('observer');
    };
    await expect(graylane.with({ observe }, () => charge(client))).resolves.toMatchObject({ servedBy: 'p1' });
  });

  it('refuses labels that cannot be sent, naming the key and not the value', () => {
    const attempt = (): unknown => graylane.with({ labels: { 'x-tag': 'secret\r\nvalue' } }, () => 'ran');
    expect(attempt).toThrow(expect.objectContaining({ code: 'INVALID_LABEL' }));
    expect(attempt).toThrow(expect.not.stringContaining('secret'));
    expect(() => graylane.labels({ authorization: 'x' })).toThrow(/authorization/);
  });
});

function passThrough(options: grpc.InterceptorOptions, next: grpc.NextCall): grpc.InterceptingCall {
  return new grpc.InterceptingCall(next(options));
}
