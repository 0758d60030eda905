import * as grpc from '@grpc/grpc-js';
import { context, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createGraylane, type Graylane, type GraylaneOptions } from '../../../src/index';
import { CALL_KINDS, type CallKind, run } from '../../support/call-kinds';
import { closeAfterEach, pause } from '../../support/closers';
import { GRAY_WITH_FALLBACK } from '../../support/gray-policy';
import { charge, type PaymentsServer, paymentsClient, startPaymentsServer } from '../../support/payments';
import { callsOf, startTracing, type Tracing } from '../../support/tracing';

const afterTest = closeAfterEach();
let tracing: Tracing;

beforeAll(() => {
  tracing = startTracing();
});

afterEach(() => {
  tracing.take();
  expect(tracing.complaints).toEqual([]);
});

const POLICY = {
  ...GRAY_WITH_FALLBACK,
  retry: {},
  routes: [
    { name: 'testers', match: { labels: { 'x-gray': 'canary' } }, to: 'canary' },
    { name: 'everyone', split: [{ to: 'stable', weight: 1 }], stickBy: 'x-user-id' },
  ],
} as const;

async function serve(version: string, name = version): Promise<PaymentsServer> {
  return afterTest(await startPaymentsServer({ name, version }), (server) => server.kill());
}

function open(servers: readonly PaymentsServer[], options: GraylaneOptions = {}): Graylane {
  const instances = servers.map(({ name, host, port, version }) => ({
    id: name,
    address: host,
    port,
    tags: [version],
  }));
  return afterTest(
    createGraylane({ instances: { payments: instances }, policies: { payments: POLICY }, ...options }),
    (graylane) => graylane.close(),
  );
}

async function settled(): Promise<ReturnType<typeof callsOf>> {
  // A cancelled attempt's transport reports a turn later.
  await pause(20);
  return callsOf(tracing.take());
}

describe('spans', () => {
  it('one for the call in the context of its caller, one for the attempt, which goes out with it', async () => {
    const server = await serve('stable');
    const graylane = open([server]);
    const client = paymentsClient(graylane.target('payments'), graylane.clientOptions());
    const tracer = trace.getTracer('caller');
    const parent = tracer.startSpan('checkout');
    await context.with(trace.setSpan(context.active(), parent), () => charge(client, { 'x-user-id': 'u-1' }));
    parent.end();
    const [only, ...more] = callsOf(tracing.take().filter(({ name }) => name !== 'checkout'));
    expect(more).toEqual([]);
    expect(only?.call.parentSpanContext?.spanId).toBe(parent.spanContext().spanId);
    expect(only?.call.name).toBe('shop.v1.Payments/Charge');
    expect(only?.call.kind).toBe(SpanKind.CLIENT);
    const { revision } = graylane.inspect().services[0]?.policy ?? {};
    expect(only?.call.attributes).toEqual({
      'rpc.system.name': 'grpc',
      'rpc.method': 'shop.v1.Payments/Charge',
      'rpc.status_code': 'OK',
      'server.address': 'payments',
      'graylane.route': 'everyone',
      'graylane.subset': 'stable',
      'graylane.served_by': 'stable',
      'graylane.datacenter': 'local',
      'graylane.tier': 0,
      'graylane.policy.revision': revision,
      'graylane.sticky': false,
      'graylane.forced': false,
      'graylane.fallback': false,
      'graylane.breaker': 'closed',
      'graylane.attempts': 1,
    });
    expect(only?.attempts).toHaveLength(1);
    expect(only?.attempts[0]?.attributes).toEqual({
      'rpc.system.name': 'grpc',
      'rpc.method': 'shop.v1.Payments/Charge',
      'rpc.status_code': 'OK',
      'server.address': server.host,
      'server.port': server.port,
      'graylane.instance': 'stable',
      'graylane.route': 'everyone',
      'graylane.subset': 'stable',
      'graylane.datacenter': 'local',
      'graylane.tier': 0,
      'graylane.policy.revision': revision,
      'graylane.breaker': 'closed',
      'graylane.previous_attempts': 0,
    });
    const attempt = only?.attempts[0]?.spanContext();
    expect(server.lastMetadata()?.get('traceparent')).toEqual([`00-${attempt?.traceId}-${attempt?.spanId}-01`]);
  });

  it('of calls that waited together for the first resolution belong to their own callers', async () => {
    const server = await serve('stable');
    const graylane = open([server]);
    const client = paymentsClient(graylane.target('payments'), graylane.clientOptions());
    const tracer = trace.getTracer('caller');
    const parents = Array.from({ length: 20 }, (_, index) => tracer.startSpan(`caller ${index}`));
    await Promise.all(
      parents.map((parent, index) =>
        context.with(trace.setSpan(context.active(), parent), () => charge(client, { 'x-tag': String(index) })),
      ),
    );
    const calls = await settled();
    expect(calls.map(({ call }) => call.parentSpanContext?.spanId).sort()).toEqual(
      parents.map((parent) => parent.spanContext().spanId).sort(),
    );
    for (const { call, attempts } of calls) {
      expect(attempts.map((attempt) => attempt.spanContext().traceId)).toEqual([call.spanContext().traceId]);
    }
    const traces = new Set(calls.map(({ call }) => call.spanContext().traceId));
    expect(traces.size).toBe(20);
  });

  it.each(Object.keys(CALL_KINDS) as CallKind[])('of a %s end once, with the status', async (kind) => {
    const server = await serve('stable');
    const graylane = open([server]);
    const client = paymentsClient(graylane.target('payments'), graylane.clientOptions());
    expect(await run(client, kind)).toBe(grpc.status.OK);
    const begun = new grpc.Metadata();
    await new Promise<number>((resolve) => {
      const call = CALL_KINDS[kind](client, begun, resolve);
      call.cancel();
    });
    const calls = await settled();
    expect(calls.map(({ call }) => call.attributes['rpc.status_code'])).toEqual(['OK', 'CANCELLED']);
    expect(calls.map(({ call }) => call.status.code)).toEqual([SpanStatusCode.UNSET, SpanStatusCode.ERROR]);
    expect(calls[0]?.attempts.map((attempt) => attempt.status.code)).toEqual([SpanStatusCode.UNSET]);
  });

  it('of a call that runs out of time are ended by it', async () => {
    const server = await serve('stable');
    server.behave({ delayMs: 500 });
    const graylane = open([server]);
    const client = paymentsClient(graylane.target('payments'), graylane.clientOptions());
    await expect(charge(client, {}, { deadline: Date.now() + 100 })).rejects.toMatchObject({ code: 4 });
    const [only] = await settled();
    expect(only?.call.attributes['error.type']).toBe('DEADLINE_EXCEEDED');
    expect(only?.call.status.message).toContain('Deadline exceeded');
    expect(only?.attempts.map(({ attributes }) => attributes['rpc.status_code'])).toEqual(['DEADLINE_EXCEEDED']);
  });

  it('tell each retry, and where it went', async () => {
    const stable = await serve('stable');
    const canary = await serve('canary');
    canary.behave({ code: grpc.status.UNAVAILABLE, details: 'canary is down' });
    const graylane = open([stable, canary]);
    const client = paymentsClient(graylane.target('payments'), graylane.clientOptions());
    await graylane.ready('payments');
    expect((await charge(client, { 'x-gray': 'canary' })).servedBy).toBe('stable');
    const [only] = await settled();
    expect(only?.attempts.map(({ attributes }) => [attributes['graylane.subset'], attributes['server.port']])).toEqual([
      ['canary', canary.port],
      ['stable', stable.port],
    ]);
    expect(only?.attempts.map(({ attributes }) => attributes['rpc.status_code'])).toEqual(['UNAVAILABLE', 'OK']);
    expect(only?.attempts.map(({ attributes }) => attributes['graylane.previous_attempts'])).toEqual([0, 1]);
    expect(only?.call.attributes).toMatchObject({
      'rpc.status_code': 'OK',
      'graylane.subset': 'canary',
      'graylane.served_by': 'stable',
      'graylane.fallback': true,
      'graylane.attempts': 2,
    });
    expect(only?.call.events.map(({ name }) => name)).toEqual(['graylane.failover']);
    expect(only?.call.status.code).toBe(SpanStatusCode.UNSET);
  });

  it('of hedges are ended, the losing one as cancelled', async () => {
    const slow = await serve('stable', 'slow');
    const other = await serve('stable', 'other');
    slow.behave({ delayMs: 400 });
    other.behave({ delayMs: 150 });
    const hedging = { maxAttempts: 2, delayMs: 30 };
    const graylane = open([slow, other], {
      policies: {
        payments: { ...POLICY, routes: [{ name: 'hedged', split: [{ to: 'stable', weight: 1 }], hedging }] },
      },
    });
    const client = paymentsClient(graylane.target('payments'), graylane.clientOptions());
    await graylane.ready('payments');
    expect((await charge(client)).servedBy).toBe('other');
    const [only] = await settled();
    expect(only?.attempts).toHaveLength(2);
    const byEndpoint = new Map(only?.attempts.map(({ attributes }) => [attributes['graylane.instance'], attributes]));
    expect(byEndpoint.get('other')?.['rpc.status_code']).toBe('OK');
    expect(byEndpoint.get('slow')?.['rpc.status_code']).toBe('CANCELLED');
    expect(only?.call.attributes['rpc.status_code']).toBe('OK');
  });

  it('tell that a breaker sent the call elsewhere, and that the policy was swapped meanwhile', async () => {
    const stable = await serve('stable');
    const canary = await serve('canary');
    canary.behave({ code: grpc.status.INTERNAL });
    const graylane = open([stable, canary]);
    const client = paymentsClient(graylane.target('payments'), graylane.clientOptions());
    await graylane.ready('payments');
    for (let call = 0; call < 40; call += 1) await charge(client, { 'x-gray': 'canary' }).catch(() => {});
    await settled();
    await charge(client, { 'x-gray': 'canary' });
    const [shed] = await settled();
    expect(shed?.call.events.map(({ name }) => name)).toEqual(['graylane.breaker.rejected', 'graylane.failover']);
    expect(shed?.call.events[0]?.attributes).toEqual({ 'graylane.subset': 'canary', 'graylane.datacenter': 'local' });

    stable.behave({ delayMs: 100 });
    const running = charge(client);
    await pause(30);
    graylane.setPolicy('payments', { ...POLICY, routes: [] });
    await running;
    const [swapped] = await settled();
    const [event] = swapped?.call.events ?? [];
    expect(event?.name).toBe('graylane.policy.swapped');
    expect(event?.attributes?.['graylane.policy.revision.decided']).toBe(
      swapped?.call.attributes['graylane.policy.revision'],
    );
    expect(event?.attributes?.['graylane.policy.revision.now']).toBe(graylane.inspect().services[0]?.policy.revision);
  });

  it('are not made when the Graylane client says so', async () => {
    const server = await serve('stable');
    const graylane = open([server], { telemetry: { traces: false } });
    const client = paymentsClient(graylane.target('payments'), graylane.clientOptions());
    await charge(client);
    expect(tracing.take()).toEqual([]);
    expect(server.lastMetadata()?.get('traceparent')).toEqual([]);
  });
});
