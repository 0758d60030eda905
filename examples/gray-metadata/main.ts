// Three ways to say of a call that it is gray: its own metadata, the async context around it, and force.
import { createGraylane, definePolicy } from 'graylane';
import { type ChargeReply, charge, createPaymentsClient, expectThat, startPaymentsServer } from '../shared/payments';

const policy = definePolicy({
  schema: 1,
  service: 'payments',
  subsets: { stable: { tags: ['stable'] }, canary: { tags: ['canary'], fallback: 'stable' } },
  default: 'stable',
  routes: [
    // strict: a tester who thinks that he tests the canary does, or the call fails.
    { name: 'testers', match: { labels: { 'x-gray': 'canary' } }, to: 'canary', strict: true },
    {
      name: 'everyone',
      split: [
        { to: 'stable', weight: 90 },
        { to: 'canary', weight: 10 },
      ],
      stickBy: 'x-user-id',
    },
  ],
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

  const byMetadata = await many(50, () => charge(client, graylane.metadata({ 'x-gray': 'canary' })));
  expectThat(byMetadata === 50, `metadata x-gray: canary: ${byMetadata} of 50 on the canary`);

  // Nothing at the call site: whatever is called inside, also after an await, carries the label.
  const byScope = await graylane.with({ labels: { 'x-gray': 'canary' } }, () => many(50, () => charge(client)));
  expectThat(byScope === 50, `graylane.with({ labels }): ${byScope} of 50 on the canary`);

  const byForce = await graylane.with({ force: { subset: 'stable' } }, () =>
    many(50, () => charge(client, graylane.metadata({ 'x-gray': 'canary' }))),
  );
  expectThat(byForce === 0, `graylane.with({ force: stable }) beats the route: ${byForce} of 50 on the canary`);

  const users = Array.from({ length: 500 }, (_, index) => `u-${index}`);
  const chosen = new Set<string>();
  for (const user of users)
    if (await isCanary(() => charge(client, graylane.metadata({ 'x-user-id': user })))) chosen.add(user);
  let moved = 0;
  for (const user of users) {
    if ((await isCanary(() => charge(client, graylane.metadata({ 'x-user-id': user })))) !== chosen.has(user))
      moved += 1;
  }
  expectThat(chosen.size > 20 && chosen.size < 90, `a split of 10 %: ${chosen.size} of 500 users on the canary`);
  expectThat(moved === 0, `asked again, ${moved} of them went elsewhere`);

  const { routing } = graylane.explain('payments', {
    method: '/shop.v1.Payments/Charge',
    labels: { 'x-gray': 'canary' },
  });
  console.log('why:', JSON.stringify(routing.decision));
  expectThat(routing.decision.route === 'testers', 'explain names the route');

  await graylane.close();
  client.close();
  await Promise.all([stable.stop(), canary.stop()]);
}

async function isCanary(call: () => Promise<ChargeReply>): Promise<boolean> {
  return (await call()).version === 'canary';
}

/** How many of `count` calls the canary answered. */
async function many(count: number, call: () => Promise<ChargeReply>): Promise<number> {
  const replies = await Promise.all(Array.from({ length: count }, call));
  return replies.filter((reply) => reply.version === 'canary').length;
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
