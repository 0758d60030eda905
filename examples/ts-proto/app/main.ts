// Clients that ts-proto generates: one of grpc-js, one of nice-grpc. Both are as they were generated.
import {
  credentials,
  Server,
  ServerCredentials,
  type ServiceError,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { createGraylane, definePolicy } from 'graylane';
import { createClient, Metadata } from 'nice-grpc';
import { type ChargeReply, PaymentsClient, PaymentsService } from '../gen/grpc-js/payments';
import { type PaymentsClient as NicePaymentsClient, PaymentsDefinition } from '../gen/nice-grpc/payments';

const policy = definePolicy({
  schema: 1,
  service: 'payments',
  subsets: { stable: { tags: ['stable'] }, canary: { tags: ['canary'], fallback: 'stable' } },
  default: 'stable',
  routes: [
    { name: 'testers', match: { labels: { 'x-gray': 'canary' } }, to: 'canary' },
    {
      name: 'everyone',
      split: [
        { to: 'stable', weight: 95 },
        { to: 'canary', weight: 5 },
      ],
      stickBy: 'x-user-id',
    },
  ],
});

function serve(version: string): Promise<{ server: Server; port: number }> {
  const server = new Server();
  const charge = (_call: unknown, callback: (error: ServiceError | null, reply: Partial<ChargeReply>) => void): void =>
    callback(null, { version });
  server.addService(PaymentsService, { charge } as unknown as UntypedServiceImplementation);
  return new Promise((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) =>
      error === null ? resolve({ server, port }) : reject(error),
    );
  });
}

function expectThat(holds: boolean, what: string): void {
  console.log(`${holds ? 'ok  ' : 'FAIL'} ${what}`);
  if (!holds) process.exitCode = 1;
}

async function main(): Promise<void> {
  const stable = await serve('stable');
  const canary = await serve('canary');
  const graylane = createGraylane({
    instances: {
      payments: [
        { address: '127.0.0.1', port: stable.port, tags: ['stable'] },
        { address: '127.0.0.1', port: canary.port, tags: ['canary'] },
      ],
    },
    policies: { payments: policy },
  });

  const client = new PaymentsClient(
    graylane.target('payments'),
    credentials.createInsecure(),
    graylane.clientOptions(),
  );
  await graylane.ready('payments', { timeoutMs: 5000 });

  const charge = (labels: Record<string, string>): Promise<ChargeReply> =>
    new Promise((resolve, reject) => {
      client.charge({ order: 'o-1', amountCents: 100 }, graylane.metadata(labels), (error, reply) =>
        error === null ? resolve(reply) : reject(error),
      );
    });
  const { version } = await charge({ 'x-gray': 'canary' });
  expectThat(version === 'canary', `a tester, by the client of grpc-js: ${version}`);

  const channel = graylane.channel('payments', credentials.createInsecure());
  const nice: NicePaymentsClient = createClient(PaymentsDefinition, channel);

  const metadata = Metadata(graylane.labels({ 'x-gray': 'canary' }));
  const reply = await nice.charge({ order: 'o-2' }, { metadata });
  expectThat(reply.version === 'canary', `a tester, by the client of nice-grpc: ${reply.version}`);

  const users = Array.from({ length: 1_000 }, (_, index) => `u-${index}`);
  const versions = await Promise.all(users.map(async (user) => (await charge({ 'x-user-id': user })).version));
  const share = versions.filter((one) => one === 'canary').length;
  expectThat(share > 20 && share < 80, `of 1,000 users ${share} get the canary`);

  await graylane.close();
  client.close();
  stable.server.forceShutdown();
  canary.server.forceShutdown();
}

main().catch((error: unknown) => {
  console.error(error);
  process.exit(1);
});
