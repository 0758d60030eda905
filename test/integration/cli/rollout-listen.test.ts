import { spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { serve, startCaller } from '../rollout/collector/figures-world';
import { rolloutWorld } from '../rollout/rollout-world';
import { builtCommand, cleanEnv, graylane } from './built-command';

const world = rolloutWorld();

function run(...args: readonly string[]): ReturnType<typeof graylane> {
  return graylane(['rollout', ...args], { env: { CONSUL_HTTP_ADDR: world.consul.dc('dc1').address } });
}

describe('graylane rollout run --listen', { timeout: 40_000 }, () => {
  it('raises a canary by what clients report, and shows Prometheus how it stands', async () => {
    const agent = world.consul.dc('dc1');
    await serve(world, 'payments');
    await world.begin('payments');
    expect((await run('abort', 'payments')).code).toBe(0);
    await startCaller(world, 'payments');
    const started = await run('start', 'payments', '--weights', '40', '--provider', 'clients');
    expect([started.code, started.stderr]).toEqual([
      0,
      expect.stringContaining('clients with reportRolloutMetrics judge it, through a controller with --listen'),
    ]);
    const child = spawn(process.execPath, [builtCommand, 'rollout', 'run', 'payments', '--listen', '127.0.0.1:0'], {
      env: { ...cleanEnv(), CONSUL_HTTP_ADDR: agent.address },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    onTestFinished(() => void child.kill('SIGKILL'));
    let said = '';
    child.stderr.on('data', (chunk: Buffer) => {
      said += chunk.toString();
    });
    await expect.poll(() => said, { timeout: 10_000 }).toMatch(/graylane: listens at http:\/\/127\.0\.0\.1:\d+\n/);
    const [, address = ''] = /listens at (\S+)/.exec(said) ?? [];
    const metrics = async (): Promise<string> => (await fetch(`${address}/metrics`)).text();
    await expect
      .poll(metrics, { timeout: 15_000 })
      .toContain('graylane_rollout_clients{graylane_service="payments"} 1\n');
    expect(await metrics()).toContain('graylane_rollout_weight{graylane_service="payments"} 40\n');
    expect(await metrics()).toContain('graylane_rollout_paused{graylane_service="payments"} 0\n');
    expect(await (await fetch(`${address}/healthz`)).text()).toBe('ok\n');
    expect((await run('pause', 'payments')).code).toBe(0);
    await expect.poll(metrics, { timeout: 5000 }).toContain('graylane_rollout_paused{graylane_service="payments"} 1\n');
    const [entry] = (await (await agent.request('GET', '/v1/kv/graylane/rollouts/payments/collector')).json()) as [
      { readonly Value: string; readonly Session?: string },
    ];
    const { key } = JSON.parse(Buffer.from(entry.Value, 'base64').toString());
    expect([entry.Session, said]).toEqual([expect.any(String), expect.not.stringContaining(key)]);
    expect((await run('abort', 'payments')).code).toBe(0);
    await expect.poll(metrics, { timeout: 5000 }).not.toContain('graylane_rollout_paused{');
    expect(await metrics()).toContain(
      'graylane_rollout_ended_total{graylane_service="payments",graylane_state="aborted"} 1\n',
    );
  });

  it('refuses addresses that cannot be, or cannot be told to anybody', async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void taken.close());
    const bound = taken.address();
    const port = bound !== null && typeof bound === 'object' ? bound.port : 0;
    for (const [args, words] of [
      [['--listen', '9464'], /--listen: 9464 \(expected: HOST:PORT or \[HOST\]:PORT\)/],
      [['--listen', '127.0.0.1:70000'], /\(expected: HOST:PORT/],
      [['--listen', '0.0.0.0:9464'], /--listen: 0\.0\.0\.0 is every address \(expected: .*--advertise/],
      [['--listen', '[::]:9464'], /--listen: :: is every address/],
      [
        ['--listen', '127.0.0.1:0', '--console-url', 'http://a', '--console-prometheus', 'http://b'],
        /--console-prometheus: given with --console-url \(expected: one of them\)/,
      ],
      [['--console-url', 'http://a'], /--console: given without --listen/],
      [['--advertise', 'http://10.0.0.7'], /--advertise: given without --listen \(expected: both\)/],
      [
        ['--listen', '127.0.0.1:0', '--advertise', '10.0.0.7:80'],
        /--advertise: 10\.0\.0\.7:80 \(expected: http or https/,
      ],
      [['--listen', `127.0.0.1:${port}`], /--listen: 127\.0\.0\.1:\d+: EADDRINUSE \(expected: a free address/],
    ] as const) {
      const { code, stderr } = await run('run', ...args);
      expect([code, stderr]).toEqual([2, expect.stringMatching(words)]);
    }
  });
});
