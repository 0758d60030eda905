// Routing holds for all four kinds of calls: unary, server streaming, client streaming, bidirectional.
import { once } from 'node:events';
import { createGraylane, definePolicy } from 'graylane';
import {
  type ChargeReply,
  charge,
  createPaymentsClient,
  expectThat,
  startPaymentsServer,
  type UploadReply,
} from '../shared/payments';

const policy = definePolicy({
  schema: 1,
  service: 'payments',
  subsets: { stable: { tags: ['stable'] }, canary: { tags: ['canary'] } },
  default: 'stable',
  routes: [{ name: 'testers', match: { labels: { 'x-gray': 'canary' } }, to: 'canary', strict: true }],
});

async function main(): Promise<void> {
  const stable = await startPaymentsServer('stable-1', 'stable');
  const canary = await startPaymentsServer('canary-1', 'canary');
  const graylane = createGraylane({
    instances: {
      payments: [
        { address: stable.host, port: stable.port, tags: ['stable'] },
        { address: canary.host, port: canary.port, tags: ['canary'] },
      ],
    },
    policies: { payments: policy },
  });
  const client = createPaymentsClient(graylane.target('payments'), graylane.clientOptions());
  await graylane.ready('payments');

  for (const [labels, expected] of [
    [{}, 'stable'],
    [{ 'x-gray': 'canary' }, 'canary'],
  ] as const) {
    const metadata = graylane.metadata(labels);

    const unary = await charge(client, metadata);
    expectThat(unary.version === expected, `unary: ${unary.version}`);

    const watched: ChargeReply[] = await client.watch({ count: 3 }, metadata).toArray();
    const isWatched = watched.length === 3 && watched.every((reply) => reply.version === expected);
    expectThat(isWatched, `server streaming: ${watched.map((reply) => reply.version).join(', ')}`);

    const uploaded = await new Promise<UploadReply>((resolve, reject) => {
      const upload = client.upload(metadata, (error, reply) =>
        error !== null || reply === undefined ? reject(error) : resolve(reply),
      );
      for (const order of ['o-1', 'o-2', 'o-3']) upload.write({ order });
      upload.end();
    });
    expectThat(uploaded.version === expected && uploaded.count === 3, `client streaming: ${uploaded.version}`);

    const conversation = client.converse(metadata);
    const answers: ChargeReply[] = [];
    conversation.on('data', (reply: ChargeReply) => answers.push(reply));
    for (const order of ['o-1', 'o-2']) conversation.write({ order });
    conversation.end();
    await once(conversation, 'end');
    const isAnswered = answers.length === 2 && answers.every((reply) => reply.version === expected);
    expectThat(isAnswered, `bidirectional: ${answers.map((reply) => reply.version).join(', ')}`);
  }

  await graylane.close();
  client.close();
  await Promise.all([stable.stop(), canary.stop()]);
}

main().catch((error: unknown) => {
  console.error(error);
  process.exit(1);
});
