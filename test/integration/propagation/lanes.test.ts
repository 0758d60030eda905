import { Agent, createServer, request as httpRequest } from 'node:http';
import type { AddressInfo } from 'node:net';
import * as grpc from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import { createGraylane, type Graylane } from '../../../src/index';
import { closeAfterEach } from '../../support/closers';
import { printFact } from '../../support/figure';

const ACCEPT = { accept: ['x-lane'] };
const CALLERS = 1_000;
const LANES = ['pr-1', 'pr-2', 'pr-3'] as const;

/** Down the chain. `http`: its callers come through a hop of HTTP that knows nothing of lanes. */
const SERVICES: readonly { readonly name: string; readonly lanes: readonly string[]; readonly http?: true }[] = [
  { name: 'cart', lanes: ['pr-1', 'pr-2'] },
  { name: 'orders', lanes: ['pr-2'], http: true },
  { name: 'prices', lanes: ['pr-1', 'pr-3'] },
  { name: 'stock', lanes: [], http: true },
  { name: 'ledger', lanes: ['pr-1', 'pr-2', 'pr-3'] },
];

const closing = closeAfterEach();

const METHOD = '/shop.v1.Chain/Ask';
const text = { serialize: (value: string) => Buffer.from(value), deserialize: (bytes: Buffer) => bytes.toString() };
const definition: grpc.ServiceDefinition = {
  ask: {
    path: METHOD,
    requestStream: false,
    responseStream: false,
    requestSerialize: text.serialize,
    requestDeserialize: text.deserialize,
    responseSerialize: text.serialize,
    responseDeserialize: text.deserialize,
  },
};

/** Answers with the instances that served, from here on. */
type Ask = (lane?: string) => Promise<string>;

interface Running {
  readonly service: string;
  readonly lane: string | undefined;
  readonly port: number;
  /** By the lane that their callers asked for. */
  readonly calls: Map<string, number>;
}

async function startInstance(
  service: string,
  lane: string | undefined,
  graylane: Graylane,
  next: Ask | undefined,
): Promise<Running> {
  const calls = new Map<string, number>();
  const server = closing(
    new grpc.Server({ interceptors: [graylane.serverInterceptor(ACCEPT)], 'grpc.max_concurrent_streams': 10_000 }),
    (one) => one.forceShutdown(),
  );
  server.addService(definition, {
    ask: (call: grpc.ServerUnaryCall<string, string>, callback: grpc.sendUnaryData<string>) => {
      const asked = String(call.metadata.get('x-lane')[0] ?? 'none');
      calls.set(asked, (calls.get(asked) ?? 0) + 1);
      const own = `${service}:${lane ?? 'baseline'}`;
      if (next === undefined) callback(null, own);
      else next().then((rest) => callback(null, `${own} ${rest}`), callback);
    },
  });
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    ),
  );
  return { service, lane, port, calls };
}

/** A Graylane client that calls one service, as its caller has it. */
function openCaller(service: string, instances: readonly Running[]): { graylane: Graylane; ask: Ask } {
  const graylane = closing(
    createGraylane({
      name: `calls-${service}`,
      instances: {
        [service]: instances.map(({ lane, port }) => ({
          id: `${service}-${lane ?? 'baseline'}`,
          address: '127.0.0.1',
          port,
          tags: ['stable'],
          ...(lane === undefined ? {} : { meta: { lane } }),
        })),
      },
      policies: {
        [service]: { schema: 1, service, subsets: { stable: { tags: ['stable'] } }, lanes: { by: 'x-lane' } },
      },
    }),
    (one) => one.close(),
  );
  const client = closing(
    new grpc.Client(graylane.target(service), grpc.credentials.createInsecure(), graylane.clientOptions()),
    (one) => one.close(),
  );
  const ask: Ask = (lane) =>
    new Promise((resolve, reject) =>
      client.makeUnaryRequest(
        METHOD,
        text.serialize,
        text.deserialize,
        'x',
        lane === undefined ? new grpc.Metadata() : graylane.metadata({ 'x-lane': lane }),
        { deadline: Date.now() + 60_000 },
        (error, reply) => (error === null ? resolve(reply ?? '') : reject(error)),
      ),
    );
  return { graylane, ask };
}

/** A service between two others that speaks HTTP: takes the label in, and hands it on. */
async function startHttpHop(graylane: Graylane, ask: Ask): Promise<Ask> {
  const middleware = graylane.httpMiddleware(ACCEPT);
  const server = createServer((request, response) =>
    middleware(request, response, () => {
      ask().then(
        (answer) => response.end(answer),
        (error: Error) => response.writeHead(502).end(error.message),
      );
    }),
  );
  // A busy event loop must not end connections that are about to be used.
  server.keepAliveTimeout = 0;
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const agent = new Agent({ keepAlive: true, maxSockets: 50 });
  closing(server, () => {
    agent.destroy();
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return (lane) =>
    new Promise((resolve, reject) => {
      const headers = lane === undefined ? graylane.ambientLabels() : { 'x-lane': lane };
      httpRequest({ port, host: '127.0.0.1', agent, headers }, (response) => {
        let body = '';
        response.on('data', (part) => (body += part));
        response.on('end', () => (response.statusCode === 200 ? resolve(body) : reject(new Error(body))));
      })
        .on('error', reject)
        .end();
    });
}

/** From the last service to the first: each calls the one after it. */
async function startChain(): Promise<{ readonly ask: Ask; readonly running: readonly Running[] }> {
  const running: Running[] = [];
  let next: Ask | undefined;
  /** Of the service's own calls. */
  let onward: Graylane | undefined;
  for (const { name, lanes, http } of [...SERVICES].reverse()) {
    const caller = onward ?? closing(createGraylane({ name: 'last', instances: {} }), (one) => one.close());
    const own = await Promise.all([undefined, ...lanes].map((lane) => startInstance(name, lane, caller, next)));
    running.push(...own);
    const { graylane, ask } = openCaller(name, own);
    next = http === true ? await startHttpHop(graylane, ask) : ask;
    onward = graylane;
  }
  if (next === undefined) throw new Error('no services');
  return { ask: next, running };
}

describe('lanes over a chain', () => {
  it(`hold for ${CALLERS} callers at once, ${SERVICES.length} services deep, over gRPC and HTTP`, async () => {
    const { ask, running } = await startChain();
    const asked = [...LANES, 'pr-9', undefined];
    const answers = await Promise.all(
      Array.from({ length: CALLERS }, async (_, index) => {
        const lane = asked[index % asked.length];
        return { lane, answer: await ask(lane) };
      }),
    );
    const pathOf = (lane: string | undefined): string =>
      SERVICES.map(
        ({ name, lanes }) => `${name}:${lane !== undefined && lanes.includes(lane) ? lane : 'baseline'}`,
      ).join(' ');
    const mixed = answers.filter(({ lane, answer }) => answer !== pathOf(lane));
    printFact('lanes over a chain', `${CALLERS} callers, ${mixed.length} mixed up`);
    expect(mixed.slice(0, 3)).toEqual([]);
    for (const { service, lane, calls } of running) {
      if (lane !== undefined) expect([...calls.keys()], `${service} in ${lane}`).toEqual([lane]);
      else expect(calls.get('none'), service).toBe(CALLERS / asked.length);
    }
  });
});
