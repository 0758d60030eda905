// From Istio: a VirtualService and a DestinationRule become a policy document, and the client decides as the sidecar did.
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { createGraylane } from 'graylane';
import { charge, createPaymentsClient, expectThat, startPaymentsServer } from '../shared/payments';

const COMMAND = join(__dirname, '..', '..', 'dist', 'cli.js');

async function main(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'graylane-istio-'));
  const file = join(folder, 'payments.yaml');
  const args = ['policy', 'import-istio', join(__dirname, 'istio.yaml'), '-o', file];
  // Ends with 3, since a field is left: retries go on to the next datacenter by themselves here.
  const { stderr } = await promisify(execFile)(process.execPath, [COMMAND, ...args]).catch(
    (error: { stderr: string }) => error,
  );
  const left = stderr.split('\n').filter((line) => line.startsWith('not in the document'));
  for (const line of left) console.log(`     ${line}`);
  expectThat(
    left.length === 1 && `${left[0]}`.includes('retryRemoteLocalities'),
    'import-istio names what it leaves out',
  );

  const stable = await startPaymentsServer('p1', 'stable');
  const canary = await startPaymentsServer('p2', 'canary');
  const graylane = createGraylane({
    // Labels of pods are meta of instances; in Consul, Meta of the service registration.
    instances: {
      payments: [
        { address: stable.host, port: stable.port, meta: { version: 'stable' } },
        { address: canary.host, port: canary.port, meta: { version: 'canary' } },
      ],
    },
    policies: { payments: { file } },
  });
  const client = createPaymentsClient(graylane.target('payments'), graylane.clientOptions());
  await graylane.ready('payments');
  const canaries = async (labels = {}): Promise<number> => {
    const replies = await Promise.all(Array.from({ length: 1_000 }, () => charge(client, graylane.metadata(labels))));
    return replies.filter(({ version }) => version === 'canary').length;
  };
  expectThat((await canaries({ 'x-gray': 'canary' })) === 1_000, 'testers: all of their calls on the canary');
  const share = await canaries();
  expectThat(share > 60 && share < 140, `everyone: ${share} of 1,000 on the canary`);
  const { timeoutMs } = graylane.explain('payments', { method: '/shop.v1.Payments/Charge' }).routing.decision;
  expectThat(timeoutMs === 2_000, `the timeout of the route: ${timeoutMs} ms`);

  await graylane.close();
  client.close();
  await Promise.all([stable.stop(), canary.stop()]);
  await rm(folder, { recursive: true });
}

main().catch((error: unknown) => {
  console.error(error);
  process.exit(1);
});
