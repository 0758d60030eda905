import * as grpc from '@grpc/grpc-js';
import { context, SpanStatusCode, trace } from '@opentelemetry/api';
import { expect, it } from 'vitest';
import { closeAfterEach } from '../../../support/closers';
import { charge } from '../../../support/payments';
import { startTracing } from '../../../support/tracing';
import { mirrorWorld } from './mirror-world';

const opened = closeAfterEach();
const tracing = startTracing();

it('a copy has a trace of its own, linked to the span of its call, which shows nothing of it', async () => {
  const { client, canary, stable } = await mirrorWorld(opened, {}, { graylane: { telemetry: { metrics: false } } });
  canary.behave({ code: grpc.status.INTERNAL });
  const outer = trace.getTracer('test').startSpan('outer');
  await context.with(trace.setSpan(context.active(), outer), () => charge(client));
  outer.end();
  const spans = [...tracing.take()];
  const copyOf = () => spans.find(({ name }) => name === 'Mirror.shop.v1.Payments/Charge');
  await expect
    .poll(() => {
      spans.push(...tracing.take());
      return copyOf();
    })
    .toBeDefined();
  const copy = copyOf();
  const call = spans.find(({ name }) => name === 'shop.v1.Payments/Charge');
  expect(copy?.parentSpanContext).toBeUndefined();
  expect(copy?.links.map((link) => link.context.spanId)).toEqual([call?.spanContext().spanId]);
  expect(copy?.spanContext().traceId).not.toBe(call?.spanContext().traceId);
  expect(copy?.attributes).toMatchObject({
    'graylane.route': 'everyone',
    'graylane.subset': 'canary',
    'graylane.mirror': true,
    'rpc.status_code': 'INTERNAL',
  });
  expect(copy?.status.code).toBe(SpanStatusCode.ERROR);
  // What the servers were told: each its own trace.
  const sent = (server: typeof canary) => String(server.lastMetadata()?.get('traceparent')[0]).split('-')[1];
  expect([sent(canary), sent(stable)]).toEqual([copy?.spanContext().traceId, outer.spanContext().traceId]);
  const ofCall = spans.filter((span) => span.spanContext().traceId === outer.spanContext().traceId);
  expect(ofCall.map(({ name }) => name).sort()).toEqual([
    'Attempt.shop.v1.Payments/Charge',
    'outer',
    'shop.v1.Payments/Charge',
  ]);
  expect(tracing.complaints).toEqual([]);
});
