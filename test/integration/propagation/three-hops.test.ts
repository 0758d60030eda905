import { context, defaultTextMapGetter, propagation, SpanKind, type TextMapGetter, trace } from '@opentelemetry/api';
import type { ReadableSpan } from '@opentelemetry/sdk-trace-node';
import fastify from 'fastify';
import { beforeAll, describe, expect, it } from 'vitest';
import { createGraylane, definePolicy, type Graylane, type PolicyDocument } from '../../../src/index';
import { closeAfterEach } from '../../support/closers';
import { printFact } from '../../support/figure';
import { type Hop, startHop } from '../../support/hop';
import { type ChargeReply, charge, paymentsClient, startPaymentsServer } from '../../support/payments';
import { isLong } from '../../support/slice';
import { startTracing, type Tracing } from '../../support/tracing';

/** Fewer than the connections that a kernel keeps for a server which is busy. */
const AT_ONCE = 250;
const CALLS = isLong ? 1_000 : 300;
const SUBSETS = ['stable', 'canary'] as const;
type Subset = (typeof SUBSETS)[number];

const closing = closeAfterEach();

let tracing: Tracing;
beforeAll(() => {
  tracing = startTracing();
});

function policyOf(service: string): PolicyDocument {
  return definePolicy({
    schema: 1,
    service,
    subsets: { stable: { tags: ['stable'] }, canary: { tags: ['canary'] } },
    default: 'stable',
    routes: [{ name: `${service}-testers`, match: { labels: { 'x-gray': 'canary' } }, to: 'canary', strict: true }],
  });
}

interface Served {
  readonly host: string;
  readonly port: number;
  readonly subset: Subset;
}

function openGraylane(name: string, service: string, servers: readonly Served[]): Graylane {
  const instances = servers.map(({ host, port, subset }) => ({
    id: `${service}-${subset}`,
    address: host,
    port,
    tags: [subset],
    datacenter: 'dc1',
  }));
  const options = { name, instances: { [service]: instances }, policies: { [service]: policyOf(service) } };
  return closing(createGraylane(options), (graylane) => graylane.close());
}

/** A span of the server's side, which the caller's trace goes on in, as an instrumentation would begin it. */
function serverSpan<C, T>(name: string, carrier: C, get: TextMapGetter<C>, handler: () => Promise<T>): Promise<T> {
  const parent = propagation.extract(context.active(), carrier, get);
  const span = trace.getTracer('test').startSpan(name, { kind: SpanKind.SERVER }, parent);
  return context.with(trace.setSpan(parent, span), () => handler().finally(() => span.end()));
}

interface Shop {
  readonly url: string;
  readonly ports: ReadonlyMap<string, number>;
}

/** Edge (Fastify) -> orders (gRPC) -> payments (gRPC), each of the latter two with a stable and a canary instance. */
async function openShop(accept: {
  readonly edge: readonly string[];
  readonly orders: readonly string[];
}): Promise<Shop> {
  const payments = await Promise.all(
    SUBSETS.map(async (subset) => ({
      ...closing(await startPaymentsServer({ name: `payments-${subset}`, version: subset }), ({ kill }) => kill()),
      subset,
    })),
  );
  const ordersGraylane = openGraylane('orders', 'payments', payments);
  const next = paymentsClient(ordersGraylane.target('payments'), ordersGraylane.clientOptions());
  const startOrders = (subset: Subset): Promise<Hop> =>
    startHop({
      graylane: ordersGraylane,
      next,
      accept: { accept: accept.orders },
      name: `orders-${subset}`,
      around: (metadata, handler) =>
        serverSpan('orders', metadata, { get: (from, key) => from.get(key).map(String), keys: () => [] }, handler),
    });
  const orders = await Promise.all(
    SUBSETS.map(async (subset) => {
      const { port } = closing(await startOrders(subset), (hop) => hop.stop());
      return { host: '127.0.0.1', port, subset };
    }),
  );
  const edgeGraylane = openGraylane('edge', 'orders', orders);
  const client = paymentsClient(edgeGraylane.target('orders'), edgeGraylane.clientOptions());
  const edge = closing(fastify(), (app) => app.close());
  edge.addHook('onRequest', edgeGraylane.httpMiddleware({ accept: accept.edge }));
  edge.post('/pay', ({ headers }) => serverSpan('edge', { ...headers }, defaultTextMapGetter, () => charge(client)));
  const url = await edge.listen({ host: '127.0.0.1', port: 0 });
  const ports = new Map([
    ...orders.map(({ subset, port }) => [`orders-${subset}`, port] as const),
    ...payments.map(({ subset, port }) => [`payments-${subset}`, port] as const),
  ]);
  return { url, ports };
}

async function pay(url: string, headers: Record<string, string>): Promise<ChargeReply> {
  const body = JSON.stringify({ order: 'o-1' });
  const sent = { 'content-type': 'application/json', ...headers };
  return (await (await fetch(`${url}/pay`, { method: 'POST', headers: sent, body })).json()) as ChargeReply;
}

describe('three hops', () => {
  it(`keep the labels of ${CALLS} requests apart, ${AT_ONCE} at once, canary at both hops, each in one trace`, async () => {
    const { url, ports } = await openShop({ edge: ['x-gray', 'x-tag'], orders: ['x-gray', 'x-tag'] });
    const subsetOf = (index: number): Subset => (index % 3 === 0 ? 'canary' : 'stable');
    const headersOf = (index: number): Record<string, string> => ({
      'x-tag': `tag-${index}`,
      ...(subsetOf(index) === 'canary' ? { 'x-gray': 'canary' } : {}),
    });
    const replies: ChargeReply[] = [];
    let begun = 0;
    const worker = async (): Promise<void> => {
      for (let index = begun++; index < CALLS; index = begun++) replies[index] = await pay(url, headersOf(index));
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
    const mixed = replies.filter(({ tag, order, version }, index) => {
      const subset = subsetOf(index);
      return tag !== `tag-${index}` || order !== `orders-${subset}` || version !== subset;
    });
    expect(mixed).toEqual([]);

    const traces = new Map<string, ReadableSpan[]>();
    for (const span of tracing.take()) {
      const { traceId } = span.spanContext();
      traces.set(traceId, [...(traces.get(traceId) ?? []), span]);
    }
    const wrong = [...traces.values()].filter((spans) => !isWhole(spans, ports));
    printFact(
      `three hops, ${CALLS} requests with labels of their own, ${AT_ONCE} at once`,
      `${mixed.length} mixed up, ${traces.size} traces, ${wrong.length} of them not whole`,
    );
    expect(traces.size).toBe(CALLS);
    expect(wrong.map((spans) => spans.map(({ name, attributes }) => ({ name, attributes })))).toEqual([]);
    expect(tracing.complaints).toEqual([]);
  });

  it('stop a label at the first server that does not accept it', async () => {
    const open = await openShop({ edge: ['x-gray', 'x-tag'], orders: ['x-tag'] });
    const sent = { 'x-gray': 'canary', 'x-tag': 't' };
    // Gray as far as orders; payments hears nothing of it.
    expect(await pay(open.url, sent)).toMatchObject({ order: 'orders-canary', version: 'stable', gray: '', tag: 't' });
    const closed = await openShop({ edge: [], orders: ['x-gray', 'x-tag'] });
    expect(await pay(closed.url, sent)).toMatchObject({ order: 'orders-stable', version: 'stable', gray: '', tag: '' });
  });
});

/** Edge, call and attempt to orders, orders, call and attempt to payments: each the parent of the next. */
function isWhole(spans: readonly ReadableSpan[], ports: ReadonlyMap<string, number>): boolean {
  const chain: ReadableSpan[] = [];
  for (let parent: string | undefined; ; ) {
    const next = spans.filter(({ parentSpanContext }) => parentSpanContext?.spanId === parent);
    if (next.length !== 1 || next[0] === undefined) break;
    chain.push(next[0]);
    parent = next[0].spanContext().spanId;
  }
  const charge_ = 'shop.v1.Payments/Charge';
  const names = ['edge', charge_, `Attempt.${charge_}`, 'orders', charge_, `Attempt.${charge_}`];
  const attempts = chain.filter(({ name }) => name.startsWith('Attempt.'));
  return (
    spans.length === names.length &&
    chain.every(({ name }, index) => name === names[index]) &&
    attempts.every(({ attributes: of }, index) => {
      const service = index === 0 ? 'orders' : 'payments';
      const subset = of['graylane.subset'];
      const route = subset === 'canary' ? `${service}-testers` : 'default';
      return (
        of['graylane.instance'] === `${service}-${subset}` &&
        of['server.address'] === '127.0.0.1' &&
        of['server.port'] === ports.get(`${service}-${subset}`) &&
        of['graylane.datacenter'] === 'dc1' &&
        of['graylane.route'] === route &&
        /^[0-9a-f]{6,}/.test(String(of['graylane.policy.revision']))
      );
    })
  );
}
