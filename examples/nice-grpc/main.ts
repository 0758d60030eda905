// nice-grpc takes a Channel: graylane.channel() is one. Its metadata is its own, made from the plain record of graylane.labels().

import { credentials } from '@grpc/grpc-js';
import { createGraylane, definePolicy } from 'graylane';
import { type CompatServiceDefinition, createClientFactory, Metadata } from 'nice-grpc';
import { type ChargeReply, type ChargeRequest, expectThat, Payments, startPaymentsServer } from '../shared/payments';

const policy = definePolicy({
  schema: 1,
  service: 'payments',
  subsets: { stable: { tags: ['stable'] }, canary: { tags: ['canary'] } },
  default: 'stable',
  routes: [{ name: 'testers', match: { labels: { 'x-gray': 'canary' } }, to: 'canary', strict: true }],
});

/** What a generated definition would type; one that is loaded at run time keeps the names of the proto file. */
interface NicePayments {
  Charge(request: ChargeRequest, options?: { metadata?: Metadata; signal?: AbortSignal }): Promise<ChargeReply>;
}

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

  const channel = graylane.channel('payments', credentials.createInsecure());
  const definition: CompatServiceDefinition = Payments.service;
  const client = createClientFactory().create(definition, channel) as unknown as NicePayments;
  await graylane.ready('payments');

  const plain = await client.Charge({ order: 'o-1' });
  expectThat(plain.version === 'stable', `without labels: ${plain.version}`);

  const gray = await client.Charge({ order: 'o-2' }, { metadata: Metadata(graylane.labels({ 'x-gray': 'canary' })) });
  expectThat(gray.version === 'canary', `metadata from graylane.labels(): ${gray.version}`);

  const ambient = await graylane.with({ labels: { 'x-gray': 'canary' } }, () => client.Charge({ order: 'o-3' }));
  expectThat(ambient.version === 'canary', `graylane.with(): ${ambient.version}`);

  // Concurrent calls under different labels never see one another's.
  const tags = Array.from({ length: 1_000 }, (_, index) => `tag-${index}`);
  const replies = await Promise.all(
    tags.map((tag) => graylane.with({ labels: { 'x-tag': tag } }, () => client.Charge({ order: tag }))),
  );
  const mixed = replies.filter((reply, index) => reply.tag !== tags[index]).length;
  expectThat(mixed === 0, `1,000 concurrent calls with labels of their own: ${mixed} mixed up`);

  await graylane.close();
  await Promise.all([stable.stop(), canary.stop()]);
}

main().catch((error: unknown) => {
  console.error(error);
  process.exit(1);
});
