// From an nginx upstream: weights, max_fails, fail_timeout, backup and retries as instances and a policy. No proxy hop.
import { type ChildProcess, fork } from 'node:child_process';
import { join } from 'node:path';
import { createGraylane } from 'graylane';
import { charge, createPaymentsClient, expectThat } from '../shared/payments';

interface Upstream {
  readonly child: ChildProcess;
  readonly port: number;
}

async function start(name: string): Promise<Upstream> {
  const child = fork(join(__dirname, '..', 'failover', 'instance.cjs'), [name, 'stable'], { execArgv: [] });
  process.on('exit', () => child.kill('SIGKILL'));
  const port = await new Promise<number>((resolve) => child.once('message', (message) => resolve(Number(message))));
  return { child, port };
}

async function main(): Promise<void> {
  const [heavy, light, backup] = (await Promise.all(['heavy', 'light', 'backup'].map(start))) as [
    Upstream,
    Upstream,
    Upstream,
  ];
  const address = '127.0.0.1';
  const graylane = createGraylane({
    // server ADDRESS weight=N; In Consul: Weights of the service registration.
    instances: {
      payments: [
        { address, port: heavy.port, weight: 3, tags: ['main'] },
        { address, port: light.port, weight: 1, tags: ['main'] },
        { address, port: backup.port, tags: ['backup'] },
      ],
    },
    policies: { payments: { file: join(__dirname, 'payments.yaml') } },
    connectTimeoutMs: 1_000, // grpc_connect_timeout
  });
  const client = createPaymentsClient(graylane.target('payments'), graylane.clientOptions());
  await graylane.ready('payments');
  const shares = async (calls: number): Promise<Readonly<Record<string, number>>> => {
    const counts: Record<string, number> = { heavy: 0, light: 0, backup: 0, lost: 0 };
    for (let call = 0; call < calls; call += 1) {
      const { servedBy } = await charge(client).catch(() => ({ servedBy: 'lost' }));
      counts[servedBy] = (counts[servedBy] ?? 0) + 1;
    }
    return counts;
  };

  const healthy = await shares(400);
  const isWeighted = Math.abs((healthy['heavy'] ?? 0) - 300) <= 4 && healthy['backup'] === 0;
  expectThat(isWeighted, `weight=3 and weight=1: ${JSON.stringify(healthy)}`);

  light.child.send('fail');
  const failing = await shares(100);
  expectThat((failing['lost'] ?? 0) <= 3, `max_fails=3: ${JSON.stringify(failing)}`);
  const after = await shares(100);
  expectThat(after['lost'] === 0 && after['light'] === 0, `fail_timeout: it is left alone: ${JSON.stringify(after)}`);

  for (const { child } of [heavy, light]) child.kill('SIGKILL');
  const last = await shares(100);
  expectThat(last['lost'] === 0 && last['backup'] === 100, `backup, and the next upstream: ${JSON.stringify(last)}`);

  await graylane.close();
  client.close();
  backup.child.kill('SIGKILL');
}

main().catch((error: unknown) => {
  console.error(error);
  process.exit(1);
});
