// A canary is raised step by step and becomes stable; the next one fails and is taken back. The controller does both by itself.
import { readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { createGraylane } from 'graylane';
import { startConsul } from '../../test/support/consul/start';
import { serveFigures } from '../shared/attempt-figures';
import { runGraylane } from '../shared/graylane-command';
import { expectThat, waitFor } from '../shared/payments';
import { startVersion } from './fleet';
import { startTraffic } from './traffic';

async function main(): Promise<void> {
  // Your own Consul is running already; this one is started for the example.
  const consul = await startConsul();
  const agent = consul.dc('dc1');
  const run = async (...args: readonly string[]): Promise<number> => {
    console.log(`\n$ graylane ${args.join(' ')}`);
    const onLine = (line: string): void => console.log(`  ${line}`);
    const input = args.includes('-') ? controller : '';
    const { code, notes } = await runGraylane(args, { consul: agent.address, input, onLine });
    if (code !== 0 && code !== 3) console.error(notes);
    return code;
  };
  const file = (name: string): string => relative(process.cwd(), join(__dirname, name));

  const servers = [...(await startVersion('v1', 0, agent)), ...(await startVersion('v2', 0, agent))];
  expectThat((await run('policy', 'apply', file('policy-v2.yaml'), '-m', 'v2 is there')) === 0, 'v1 has all calls');
  const graylane = createGraylane({ consul: { address: agent.address }, stateDirectory: false });
  await graylane.ready('payments');
  const traffic = startTraffic(graylane);
  const figures = await serveFigures(
    () => traffic.ended,
    (subset) =>
      graylane.breakers.list().filter(({ level, key, state }) => {
        return level === 'subset' && state !== 'closed' && key.startsWith(`${subset}@`);
      }).length,
  );
  const controller = readFileSync(join(__dirname, 'controller.yaml'), 'utf8').replace(
    'http://127.0.0.1:1/figures',
    figures.url,
  );

  await run('rollout', 'start', 'payments', '--file', file('rollout.yaml'));
  expectThat(
    (await run('rollout', 'run', '--once', 'payments', '--config', '-')) === 0,
    'v2 reached 100 %: the controller ended with 0',
  );
  const isAllOfV2 = (): boolean => traffic.versions().get('v2') === 100;
  await waitFor(isAllOfV2);
  expectThat(isAllOfV2(), 'v2 answered each of the last 100 calls');
  expectThat(traffic.lost === 0, `${traffic.lost} of ${traffic.ended.length} calls lost`);

  const before = traffic.ended.length;
  servers.push(...(await startVersion('v3', 10, agent)));
  await run('policy', 'apply', file('policy-v3.yaml'), '-m', 'v3 is there');
  await run('rollout', 'start', 'payments', '--file', file('rollout.yaml'));
  const code = await run('rollout', 'run', '--once', 'payments', '--config', '-');
  expectThat(code === 3, `v3 fails one call in ten: it was taken back, the controller ended with ${code}`);
  await waitFor(isAllOfV2);
  expectThat(isAllOfV2(), 'v2 has all calls again');
  const { lost, ended } = traffic;
  expectThat(lost > 0 && lost < 100, `${lost} of ${ended.length - before} calls lost until then`);
  await run('policy', 'log', 'payments', '--limit', '1');

  traffic.stop();
  await graylane.close();
  figures.close();
  for (const server of servers) server.forceShutdown();
  await consul.stop();
}

main().catch((error: unknown) => {
  console.error(error);
  process.exit(1);
});
