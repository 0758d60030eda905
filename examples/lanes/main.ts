// Two services and one lane. Orders has an instance of pr-42, payments has none: its baseline serves the lane's calls, too.
import * as grpc from '@grpc/grpc-js';
import { createGraylane, definePolicy, type Graylane } from 'graylane';
import {
  type ChargeReply,
  charge,
  createPaymentsClient,
  expectThat,
  Payments,
  startPaymentsServer,
} from '../shared/payments';

/** All that makes a service go by lanes. */
const policyOf = (service: string) =>
  definePolicy({ schema: 1, service, subsets: { stable: { tags: ['stable'] } }, lanes: { by: 'x-lane' } });

async function main(): Promise<void> {
  const ledger = await startPaymentsServer('payments-1', 'stable');
  const toPayments = createGraylane({
    name: 'orders',
    instances: { payments: [{ address: ledger.host, port: ledger.port, tags: ['stable'] }] },
    policies: { payments: policyOf('payments') },
  });

  const baseline = await startOrders('orders-1', toPayments);
  const lane = await startOrders('orders-pr-42', toPayments);
  const toOrders = createGraylane({
    name: 'gateway',
    instances: {
      orders: [
        { address: '127.0.0.1', port: baseline.port, tags: ['stable'] },
        { address: '127.0.0.1', port: lane.port, tags: ['stable'], meta: { lane: 'pr-42' } },
      ],
    },
    policies: { orders: policyOf('orders') },
  });
  const client = createPaymentsClient(toOrders.target('orders'), toOrders.clientOptions());
  const servedBy = async (labels: Record<string, string>): Promise<ReadonlySet<string>> => {
    const replies = await Promise.all(Array.from({ length: 50 }, () => charge(client, toOrders.metadata(labels))));
    return new Set(replies.map((reply) => reply.servedBy));
  };

  const inLane = await servedBy({ 'x-lane': 'pr-42' });
  expectThat(
    [...inLane].join() === 'orders-pr-42 > payments-1',
    `x-lane: pr-42 was served by ${[...inLane].join(', ')}`,
  );
  const others = await servedBy({});
  expectThat([...others].join() === 'orders-1 > payments-1', `calls without a lane by ${[...others].join(', ')}`);
  const unknown = await servedBy({ 'x-lane': 'pr-43' });
  expectThat([...unknown].join() === 'orders-1 > payments-1', `a lane that nobody is in by ${[...unknown].join(', ')}`);

  const { routing } = toOrders.explain('orders', { method: '/shop.v1.Payments/Charge', labels: { 'x-lane': 'pr-43' } });
  console.log(`why: ${routing.lane?.reason}`);

  client.close();
  await Promise.all([toOrders.close(), toPayments.close()]);
  await Promise.all([baseline.stop(), lane.stop(), ledger.stop()]);
}

/** Orders calls payments for each call that it gets; the lane's label goes on with it. */
async function startOrders(
  name: string,
  graylane: Graylane,
): Promise<{ readonly port: number; stop(): Promise<void> }> {
  const payments = createPaymentsClient(graylane.target('payments'), graylane.clientOptions());
  const server = new grpc.Server({ interceptors: [graylane.serverInterceptor({ accept: ['x-lane'] })] });
  server.addService(Payments.service, {
    charge(_: grpc.ServerUnaryCall<unknown, ChargeReply>, callback: grpc.sendUnaryData<ChargeReply>) {
      charge(payments).then(
        (reply) => callback(null, { ...reply, servedBy: `${name} > ${reply.servedBy}` }),
        (error: grpc.ServiceError) => callback(error),
      );
    },
  });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  return {
    port,
    stop: async () => {
      payments.close();
      await new Promise<void>((resolve) => server.tryShutdown(() => resolve()));
    },
  };
}

main().catch((error: unknown) => {
  console.error(error);
  process.exit(1);
});
