// From Envoy sidecars with Consul Connect: the same config entries, executed in the client. The service is called, not its proxy.
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { createGraylane } from 'graylane';
import { startConsul } from '../../test/support/consul/start';
import { charge, createPaymentsClient, expectThat, startPaymentsServer } from '../shared/payments';

const COMMAND = join(__dirname, '..', '..', 'dist', 'cli.js');

async function main(): Promise<void> {
  // Your own Consul is running already; this one is started for the example.
  const consul = await startConsul();
  const dc1 = consul.dc('dc1');
  const servers = await Promise.all(
    (['stable', 'canary'] as const).map(async (version) => {
      const server = await startPaymentsServer(`payments-${version}`, version);
      await dc1.register({
        name: 'payments',
        id: `payments-${version}`,
        address: server.host,
        port: server.port,
        meta: { version },
        // What the mesh had: a proxy beside each instance. Nothing here speaks to it.
        more: { Connect: { SidecarService: {} } },
      });
      return server;
    }),
  );
  const entries = [
    { Kind: 'service-defaults', Name: 'payments', Protocol: 'grpc' },
    {
      Kind: 'service-resolver',
      Name: 'payments',
      DefaultSubset: 'stable',
      Subsets: {
        stable: { Filter: 'Service.Meta.version == stable' },
        canary: { Filter: 'Service.Meta.version == canary' },
      },
    },
    {
      Kind: 'service-router',
      Name: 'payments',
      Routes: [
        {
          Match: { HTTP: { PathPrefix: '/shop.v1.Payments/', Header: [{ Name: 'x-gray', Exact: 'canary' }] } },
          Destination: { ServiceSubset: 'canary', PrefixRewrite: '/' },
        },
      ],
    },
  ];
  for (const entry of entries) await dc1.request('PUT', '/v1/config', entry);

  // 1. What of the entries does not hold without a proxy?
  const runGraylane = (...args: string[]): Promise<{ stdout: string; stderr: string }> =>
    promisify(execFile)(process.execPath, [COMMAND, ...args, '--consul', dc1.address]);
  const found = await runGraylane('policy', 'lint-chain', 'payments').catch((error: { stdout: string }) => error);
  console.log(`     ${found.stdout.trim()}`);
  expectThat(found.stdout.includes('Destination.PrefixRewrite'), 'lint-chain names the field that is not honoured');

  // 2. Call the service (not payments-sidecar-proxy, and not the local port of an upstream).
  const graylane = createGraylane({ consul: { address: dc1.address }, policy: 'chain' });
  const client = createPaymentsClient(graylane.target('payments'), graylane.clientOptions());
  await graylane.ready('payments');
  const everybody = await charge(client);
  const tester = await charge(client, graylane.metadata({ 'x-gray': 'canary' }));
  expectThat(
    everybody.version === 'stable' && tester.version === 'canary',
    'the entries decide, and no proxy takes part',
  );

  // 3. Later, if you like: a policy document instead of the entries.
  const imported = await runGraylane('policy', 'import-chain', 'payments').catch((error: { stdout: string }) => error);
  console.log(imported.stdout.replace(/^/gm, '     ').trimEnd());
  expectThat(imported.stdout.includes('x-gray: canary'), 'import-chain writes them as a policy document');

  await graylane.close();
  client.close();
  await Promise.all(servers.map((server) => server.stop()));
  await consul.stop();
}

main().catch((error: unknown) => {
  console.error(error);
  process.exit(1);
});
