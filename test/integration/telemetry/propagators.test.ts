import { context, propagation, TraceFlags, trace } from '@opentelemetry/api';
import { B3Propagator } from '@opentelemetry/propagator-b3';
import { JaegerPropagator } from '@opentelemetry/propagator-jaeger';
import { NodeTracerProvider, type SpanProcessor } from '@opentelemetry/sdk-trace-node';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createGraylane } from '../../../src/index';
import { closeAfterEach } from '../../support/closers';
import {
  charge,
  type PaymentsClient,
  type PaymentsServer,
  paymentsClient,
  startPaymentsServer,
} from '../../support/payments';
import { startTracing } from '../../support/tracing';

const afterTest = closeAfterEach();
let server: PaymentsServer;
let client: PaymentsClient;

beforeEach(async () => {
  server = afterTest(await startPaymentsServer(), (each) => each.kill());
  const graylane = afterTest(
    createGraylane({ instances: { payments: [{ address: server.host, port: server.port }] } }),
    (each) => each.close(),
  );
  client = paymentsClient(graylane.target('payments'), graylane.clientOptions());
});

afterEach(() => {
  trace.disable();
  context.disable();
  propagation.disable();
});

it('no SDK: nothing is sent', async () => {
  await charge(client);
  expect(server.lastMetadata()?.get('traceparent')).toEqual([]);
});

it("the user's propagator writes what it writes: Jaeger", async () => {
  const { provider, take } = startTracing();
  provider.register();
  propagation.disable();
  propagation.setGlobalPropagator(new JaegerPropagator());
  await charge(client);
  const attempt = take()
    .find(({ name }) => name.startsWith('Attempt.'))
    ?.spanContext();
  expect(server.lastMetadata()?.get('uber-trace-id')).toEqual([`${attempt?.traceId}:${attempt?.spanId}:0:01`]);
  expect(server.lastMetadata()?.get('traceparent')).toEqual([]);
});

it("the user's propagator writes what it writes: B3", async () => {
  const { provider, take } = startTracing();
  provider.register();
  propagation.disable();
  propagation.setGlobalPropagator(new B3Propagator());
  await charge(client);
  const attempt = take()
    .find(({ name }) => name.startsWith('Attempt.'))
    ?.spanContext();
  expect(server.lastMetadata()?.get('b3')).toEqual([`${attempt?.traceId}-${attempt?.spanId}-1`]);
  expect(server.lastMetadata()?.get('traceparent')).toEqual([]);
});

it('what was not sampled is not sampled further on, and has no spans', async () => {
  const { take } = startTracing();
  const traceId = '0af7651916cd43dd8448eb211c80319c';
  const caller = { traceId, spanId: 'b7ad6b7169203331', traceFlags: TraceFlags.NONE };
  await context.with(trace.setSpanContext(context.active(), caller), () => charge(client));
  expect(take()).toEqual([]);
  expect(server.lastMetadata()?.get('traceparent')).toEqual([expect.stringMatching(`^00-${traceId}-[0-9a-f]{16}-00$`)]);
});

it('a propagator that throws breaks no call', async () => {
  startTracing();
  propagation.disable();
  propagation.setGlobalPropagator({
    inject: () => {
      throw new Error('propagator');
    },
    extract: (given) => given,
    fields: () => [],
  });
  expect((await charge(client)).servedBy).toBe('p1');
});

it.each(['onStart', 'onEnd'] as const)('a span processor that throws in %s breaks no call', async (where) => {
  const broken: SpanProcessor = {
    onStart: () => {},
    onEnd: () => {},
    forceFlush: () => Promise.resolve(),
    shutdown: () => Promise.resolve(),
    [where]: () => {
      throw new Error('processor');
    },
  };
  new NodeTracerProvider({ spanProcessors: [broken] }).register();
  for (let call = 0; call < 3; call += 1) expect((await charge(client)).servedBy).toBe('p1');
});
