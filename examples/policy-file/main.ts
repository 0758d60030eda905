// A policy in a YAML file that is watched: edit it, and the traffic follows. No Consul, no restart.
import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createGraylane } from 'graylane';
import {
  charge,
  createPaymentsClient,
  expectThat,
  type PaymentsClient,
  startPaymentsServer,
  waitFor,
} from '../shared/payments';

async function main(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'graylane-policy-'));
  const file = join(folder, 'payments.yaml');
  await copyFile(join(__dirname, 'payments.yaml'), file);

  const stable = await startPaymentsServer('stable-1', 'stable');
  const canary = await startPaymentsServer('canary-1', 'canary');
  const graylane = createGraylane({
    instances: {
      payments: [
        { address: stable.host, port: stable.port, tags: ['stable'] },
        { address: canary.host, port: canary.port, tags: ['canary'] },
      ],
    },
    policies: { payments: { file } },
  });
  const client = createPaymentsClient(graylane.target('payments'), graylane.clientOptions());
  await graylane.ready('payments');
  const revision = (): string | undefined => graylane.inspect().services[0]?.policy.revision;

  const before = await canaryPercent(client);
  expectThat(before > 0 && before < 12, `weights 95 and 5: ${before} % on the canary`);

  const text = await readFile(file, 'utf8');
  const former = revision();
  await writeFile(file, text.replace('weight: 95', 'weight: 50').replace('weight: 5 ', 'weight: 50 '));
  await waitFor(() => revision() !== former);
  const after = await canaryPercent(client);
  expectThat(after > 40 && after < 60, `weights 50 and 50: ${after} % on the canary`);

  // What is wrong with it goes to the log and to inspect(); the running policy stays.
  const running = revision();
  await writeFile(file, text.replace('weight: 95', 'weight: -1'));
  await waitFor(() => graylane.inspect().services[0]?.policy.rejected !== undefined);
  const problem = graylane.inspect().services[0]?.policy.rejected?.problems[0]?.message ?? '';
  expectThat(problem.includes('weight: -1 (expected: >= 0)'), `a bad edit is refused: ${problem}`);
  expectThat(revision() === running, 'and changes nothing');

  await graylane.close();
  client.close();
  await Promise.all([stable.stop(), canary.stop()]);
  await rm(folder, { recursive: true });
}

async function canaryPercent(client: PaymentsClient): Promise<number> {
  const replies = await Promise.all(Array.from({ length: 1_000 }, () => charge(client)));
  return replies.filter((reply) => reply.version === 'canary').length / 10;
}

main().catch((error: unknown) => {
  console.error(error);
  process.exit(1);
});
