import { createServer, type ServerResponse } from 'node:http';
import * as grpc from '@grpc/grpc-js';
import { seededRandom } from '../../src/base/random';
import { Payments } from '../support/payments';

/**
 * A process that serves as a Consul whose `payments` change all the time, and as every one of its instances: one gRPC
 * server on all of 127/8. `COUNT` instances at a time out of twice as many; `STEPS` times a second `SHARE` of them leave
 * and others take their place. Tells its parent `{address}` first and `{served}` once a second.
 */
const COUNT = Number(process.env['COUNT']);
const SHARE = Number(process.env['SHARE']);
const STEPS = Number(process.env['STEPS']);
const random = seededRandom(Number(process.env['SEED'] ?? 1));

async function main(): Promise<void> {
  const grpcServer = new grpc.Server();
  grpcServer.addService(Payments.service, {
    charge: (call: grpc.ServerUnaryCall<{ order: string }, object>, callback: grpc.sendUnaryData<object>) =>
      callback(null, { order: call.request.order, servedBy: 'churn' }),
  });
  const port = await new Promise<number>((resolve, reject) =>
    grpcServer.bindAsync('0.0.0.0:0', grpc.ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    ),
  );
  const entries = Array.from({ length: COUNT * 2 }, (_, at) => Buffer.from(JSON.stringify(entry(at, port))));
  const listed = Array.from({ length: COUNT }, (_, at) => at * 2);
  const idle = Array.from({ length: COUNT }, (_, at) => at * 2 + 1);
  let index = 100;
  let served = 0;
  let waiting: ServerResponse[] = [];

  const answer = (response: ServerResponse): void => {
    served += 1;
    const parts: Buffer[] = [];
    for (const at of listed.toSorted((a, b) => a - b)) parts.push(comma, entries[at] as Buffer);
    parts[0] = open;
    response.writeHead(200, { 'content-type': 'application/json', 'x-consul-index': String(index) });
    response.end(Buffer.concat([...parts, close]));
  };
  const churn = (): void => {
    const count = Math.round((COUNT * SHARE) / STEPS);
    for (let step = 0; step < count; step += 1) {
      const out = Math.floor(random() * listed.length);
      const into = Math.floor(random() * idle.length);
      [listed[out], idle[into]] = [idle[into] as number, listed[out] as number];
    }
    index += 1;
    const released = waiting;
    waiting = [];
    for (const response of released) answer(response);
  };

  const http = createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://churn');
    if (!url.pathname.startsWith('/v1/health/service/payments')) response.writeHead(404).end();
    else if (url.searchParams.get('index') === String(index)) waiting.push(response);
    else answer(response);
  });
  http.listen(0, '127.0.0.1', () => {
    const bound = http.address() as { port: number };
    process.send?.({ address: `http://127.0.0.1:${bound.port}` });
  });
  let timer: NodeJS.Timeout | undefined;
  process.on('message', (message: { churning: boolean }) => {
    clearInterval(timer);
    if (message.churning) timer = setInterval(churn, 1000 / STEPS);
  });
  setInterval(() => process.send?.({ served }), 1000);
  process.on('disconnect', () => process.exit());
}

const open = Buffer.from('[');
const comma = Buffer.from(',');
const close = Buffer.from(']');

/** As long as what Consul itself says of an instance: about a kilobyte. */
function entry(at: number, port: number): object {
  const node = `node-${String(at).padStart(6, '0')}`;
  const address = `127.${1 + Math.floor(at / 50_000)}.${Math.floor(at / 200) % 250}.${1 + (at % 200)}`;
  const id = `payments-${String(at).padStart(6, '0')}`;
  return {
    Node: {
      ID: `00000000-0000-4000-8000-${String(at).padStart(12, '0')}`,
      Node: node,
      Address: address,
      Datacenter: 'dc1',
      TaggedAddresses: { lan: address, wan: address },
      Meta: { 'consul-network-segment': '' },
      CreateIndex: 10 + at,
      ModifyIndex: 12 + at,
    },
    Service: {
      ID: id,
      Service: 'payments',
      Tags: ['stable', 'v42'],
      Address: address,
      TaggedAddresses: { lan_ipv4: { Address: address, Port: port } },
      Meta: { version: 'v42', zone: `zone-${at % 3}`, team: 'checkout' },
      Port: port,
      Weights: { Passing: 1, Warning: 1 },
      EnableTagOverride: false,
      Proxy: { MeshGateway: {}, Expose: {} },
      Connect: {},
      CreateIndex: 10 + at,
      ModifyIndex: 12 + at,
    },
    Checks: ['serfHealth', `service:${id}`].map((CheckID) => ({
      Node: node,
      CheckID,
      Name: 'check',
      Status: 'passing',
      Notes: '',
      Output: 'Agent alive and reachable',
      ServiceID: CheckID === 'serfHealth' ? '' : id,
      ServiceName: CheckID === 'serfHealth' ? '' : 'payments',
      ServiceTags: [],
      Definition: {},
      CreateIndex: 10 + at,
      ModifyIndex: 12 + at,
    })),
  };
}

void main();
