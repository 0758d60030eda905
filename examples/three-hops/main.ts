// Edge (Fastify) -> orders (gRPC) -> payments (gRPC): a header at the edge picks the canary at both hops, and one trace
// shows it. All of it runs in one process here; nothing but the wire connects the three.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createGraylane, definePolicy, type Graylane, type PolicyDocument, type StaticInstance } from 'graylane';
import { expectThat, startPaymentsServer } from '../shared/payments';
import { type Edge, startEdge } from './edge';
import { type PlaceReply, startOrdersServer } from './orders';
import { drawTrace } from './picture';
import { chainOf, isAttempt, whereTo } from './trace-chain';
import { startTracing, type Tracing } from './tracing';

const REQUESTS = 1_000;
const PICTURE = join(__dirname, '..', '..', 'docs', 'three-hops.svg');

function policyOf(service: string): PolicyDocument {
  return definePolicy({
    schema: 1,
    service,
    subsets: { stable: { tags: ['stable'] }, canary: { tags: ['canary'] } },
    default: 'stable',
    routes: [{ name: 'testers', match: { labels: { 'x-gray': 'canary' } }, to: 'canary', strict: true }],
  });
}

function openGraylane(name: string, service: string, instances: readonly StaticInstance[]): Graylane {
  return createGraylane({
    name,
    instances: { [service]: instances },
    policies: { [service]: policyOf(service) },
    datacenters: ['dc1', 'dc2'],
  });
}

function instance(id: string, port: number, datacenter: string): StaticInstance {
  return { id, address: '127.0.0.1', port, tags: [id.endsWith('canary') ? 'canary' : 'stable'], datacenter };
}

async function main(): Promise<void> {
  const tracing = startTracing();
  const stable = await startPaymentsServer('payments-stable', 'stable');
  const canary = await startPaymentsServer('payments-canary', 'canary');
  const ordersGraylane = openGraylane('orders', 'payments', [
    instance('payments-stable', stable.port, 'dc1'),
    // The new payments run in the other datacenter only: the trace shows it.
    instance('payments-canary', canary.port, 'dc2'),
  ]);
  const ordersStable = await startOrdersServer('orders-stable', ordersGraylane);
  const ordersCanary = await startOrdersServer('orders-canary', ordersGraylane);
  const edgeGraylane = openGraylane('edge', 'orders', [
    instance('orders-stable', ordersStable.port, 'dc1'),
    instance('orders-canary', ordersCanary.port, 'dc1'),
  ]);
  const edge = await startEdge(edgeGraylane);

  await showPath(edge);
  await showTrace(edge, tracing);
  await showCrowd(
    edge,
    tracing,
    [stable, canary, ordersStable, ordersCanary].map(({ port }) => port),
  );

  await edge.stop();
  await Promise.all([edgeGraylane.close(), ordersGraylane.close()]);
  await Promise.all([ordersStable, ordersCanary, stable, canary].map((server) => server.stop()));
}

/** What a header at the edge leads to, and one that nobody accepts. */
async function showPath(edge: Edge): Promise<void> {
  const plain = await get(edge, {});
  expectThat(way(plain) === 'orders-stable -> payments-stable', `without a header: ${way(plain)}`);
  const gray = await get(edge, { 'x-gray': 'canary', 'x-unknown': 'u' });
  expectThat(way(gray) === 'orders-canary -> payments-canary', `with x-gray: canary: ${way(gray)}`);
  const twice = await get(edge, [
    ['x-gray', 'canary'],
    ['x-gray', 'stable'],
  ]);
  expectThat(
    way(twice) === 'orders-stable -> payments-stable',
    `with x-gray twice, which counts as absent: ${way(twice)}`,
  );
}

/** One request, one trace. `--picture` draws it into docs/; without it, that picture must still be what it was. */
async function showTrace(edge: Edge, tracing: Tracing): Promise<void> {
  tracing.takeTraces();
  await get(edge, { 'x-gray': 'canary' });
  const [spans = [], ...others] = tracing.takeTraces();
  const chain = chainOf(spans);
  for (const [depth, span] of chain.entries()) {
    console.log(`     ${'  '.repeat(depth)}${span.name}${isAttempt(span) ? ` ${JSON.stringify(whereTo(span))}` : ''}`);
  }
  expectThat(others.length === 0 && chain.length === 6 && spans.length === 6, 'one request is one trace of six spans');
  const picture = drawTrace(chain, 'One request with x-gray: canary, from the edge to payments');
  if (process.argv.includes('--picture')) writeFileSync(PICTURE, picture);
  const drawn = readFileSync(PICTURE, 'utf8');
  expectThat(drawn === picture, 'docs/three-hops.svg shows this trace (draw it anew with --picture)');
}

async function showCrowd(edge: Edge, tracing: Tracing, ports: readonly number[]): Promise<void> {
  const versionOf = (index: number): string => (index % 4 === 0 ? 'canary' : 'stable');
  const replies = await Promise.all(
    Array.from({ length: REQUESTS }, (_, index) =>
      get(edge, { 'x-tag': `tag-${index}`, ...(versionOf(index) === 'canary' ? { 'x-gray': 'canary' } : {}) }),
    ),
  );
  const mixed = replies.filter((reply, index) => {
    const version = versionOf(index);
    return reply.tag !== `tag-${index}` || way(reply) !== `orders-${version} -> payments-${version}`;
  });
  expectThat(mixed.length === 0, `${REQUESTS} concurrent requests with labels of their own: ${mixed.length} mixed up`);
  const traces = tracing.takeTraces();
  const attempts = traces.map((spans) => chainOf(spans).filter(isAttempt).map(whereTo));
  const whole = attempts.filter(
    (both) =>
      both.length === 2 &&
      both.every(({ port, ...rest }) => ports.includes(Number(port)) && !Object.values(rest).includes(undefined)),
  );
  expectThat(
    traces.length === REQUESTS && whole.length === REQUESTS,
    `${traces.length} traces; in ${whole.length} both attempts name endpoint, subset, datacenter, route and revision`,
  );
}

function way({ orders, payments }: PlaceReply): string {
  return `${orders} -> ${payments}`;
}

async function get(edge: Edge, headers: NonNullable<RequestInit['headers']>): Promise<PlaceReply> {
  const response = await fetch(`${edge.url}/pay/o-1`, { headers });
  if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
  return (await response.json()) as PlaceReply;
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
