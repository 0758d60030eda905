import { Writable } from 'node:stream';
import { context, trace } from '@opentelemetry/api';
import pino from 'pino';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { createGraylane, type GraylaneOptions } from '../../../src/index';
import { closeAfterEach } from '../../support/closers';
import { charge, paymentsClient, startPaymentsServer } from '../../support/payments';
import { startTracing } from '../../support/tracing';

const afterTest = closeAfterEach();

beforeAll(() => {
  startTracing();
});

async function open(options: GraylaneOptions) {
  const server = afterTest(await startPaymentsServer(), (each) => each.kill());
  const graylane = afterTest(
    createGraylane({ instances: { payments: [{ address: server.host, port: server.port }] }, ...options }),
    (each) => each.close(),
  );
  return { graylane, client: paymentsClient(graylane.target('payments'), graylane.clientOptions()) };
}

function realPino(level: string) {
  const lines: Record<string, unknown>[] = [];
  const sink = new Writable({
    write(chunk: Buffer, _encoding, done) {
      lines.push(JSON.parse(chunk.toString()));
      done();
    },
  });
  return { logger: pino({ level }, sink), lines };
}

const POLICY = { schema: 1, service: 'payments', subsets: { all: {} } } as const;

describe('the logger option', () => {
  it('takes a pino, and gives it fields it can filter by', async () => {
    const { logger, lines } = realPino('debug');
    const { graylane, client } = await open({ logger, policies: { payments: POLICY } });
    await charge(client);
    const { revision } = graylane.inspect().services[0]?.policy ?? {};
    const applied = lines.filter(({ msg }) => msg === 'policy applied');
    expect(applied).toEqual([expect.objectContaining({ level: 30, service: 'payments', revision })]);
  });

  it('takes a child of a pino', async () => {
    const { logger, lines } = realPino('info');
    const { client } = await open({ logger: logger.child({ part: 'graylane' }), policies: { payments: POLICY } });
    await charge(client);
    expect(lines).toContainEqual(expect.objectContaining({ msg: 'policy applied', part: 'graylane' }));
  });

  it('takes the console', async () => {
    const told = vi.spyOn(console, 'info').mockImplementation(() => {});
    try {
      const { client } = await open({ logger: console, policies: { payments: POLICY } });
      await charge(client);
      expect(told).toHaveBeenCalledWith('policy applied', expect.objectContaining({ service: 'payments' }));
    } finally {
      told.mockRestore();
    }
  });

  it('hears nothing of single calls, at info', async () => {
    const { logger, lines } = realPino('info');
    const { client } = await open({ logger, policies: { payments: POLICY } });
    await charge(client);
    const before = lines.length;
    for (let call = 0; call < 50; call += 1) await charge(client, { authorization: 'Bearer very-secret' });
    expect(lines.length).toBe(before);
  });
});

describe('logFields()', () => {
  it('name the trace, the span and the labels of where they are asked for', async () => {
    const { graylane } = await open({ labels: { 'x-client': 'orders' } });
    const { logger, lines } = realPino('info');
    const span = trace.getTracer('caller').startSpan('checkout');
    await context.with(trace.setSpan(context.active(), span), () =>
      graylane.with({ labels: { 'x-gray': 'canary' } }, async () => {
        await Promise.resolve();
        logger.info(graylane.logFields(), 'charging');
      }),
    );
    span.end();
    expect(lines).toEqual([
      expect.objectContaining({
        msg: 'charging',
        trace_id: span.spanContext().traceId,
        span_id: span.spanContext().spanId,
        trace_flags: '01',
        labels: { 'x-client': 'orders', 'x-gray': 'canary' },
      }),
    ]);
  });

  it('are empty where there is nothing to say', async () => {
    const { graylane } = await open({});
    expect(graylane.logFields()).toEqual({});
  });
});
