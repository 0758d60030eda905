import { beforeEach, expect, it } from 'vitest';
import { closeAfterEach } from '../../support/closers';
import { type ScriptedRegistry, startScriptedRegistry } from '../../support/consul/scripted-registry';
import { healthEntry } from '../../support/scripted-consul';
import { graylane, graylaneJson } from './built-command';

/** In the shapes of the public API: the Consul that tests have knows neither peers nor several ports. */
const opened = closeAfterEach();
let registry: ScriptedRegistry;

beforeEach(async () => {
  registry = opened(await startScriptedRegistry(), (it) => it.stop());
  const Ports = [
    { Name: 'http', Port: 8080, Default: true },
    { Name: 'grpc', Port: 50_051 },
  ];
  const Locality = { Region: 'eu-1', Zone: 'a' };
  const several = healthEntry('p1', 0, { Address: '127.0.0.1', Ports, Locality });
  const socket = healthEntry('p2', 0, { Address: '127.0.0.1', SocketPath: '/run/p2.sock' });
  const health = '/v1/health/service/payments';
  registry.set(health, { body: [several, socket] });
  registry.set(`${health} peer=cloud`, {
    body: [healthEntry('p9', 7001, { Address: '127.0.0.9', PeerName: 'cloud' })],
  });
  const policy = {
    schema: 1,
    service: 'payments',
    subsets: { site: {}, api: { port: 'grpc' } },
    default: 'site',
    locality: { failover: [{ peer: 'cloud' }] },
  };
  const Value = Buffer.from(JSON.stringify(policy)).toString('base64');
  registry.set('/v1/kv/graylane%2Fpolicies%2Fpayments', {
    body: [{ Key: 'graylane/policies/payments', Value, ModifyIndex: 9, CreateIndex: 9, LockIndex: 0, Flags: 0 }],
  });
});

/** A machine that is busy may leave the peer unheard of for longer than the command waits: it is asked again. */
const PATIENCE = { timeout: 80_000, interval: 0 };

it('instances are listed at each port that subsets dial, with region, peer, and what is left out', async () => {
  const args = ['instances', 'payments', '--consul', registry.address];
  const rows = async () => {
    const { json } = await graylaneJson<{ readonly instances: readonly Record<string, unknown>[] }>(args);
    return json.instances.map((row) =>
      ['datacenter', 'instance', 'endpoint', 'portName', 'subsets'].map((name) => row[name]),
    );
  };
  await expect.poll(rows, PATIENCE).toEqual([
    ['dc1', 'p1', '127.0.0.1:50051', 'grpc', ['api']],
    ['dc1', 'p1', '127.0.0.1:8080', 'http', ['site']],
    ['peer cloud', 'p9', '127.0.0.9:7001', undefined, ['site']],
  ]);
  const { code, stdout, stderr } = await graylane(args);
  expect(code).toBe(0);
  expect(stdout).toMatch(/dc1 .*api .*p1 .*127\.0\.0\.1:50051 \(grpc\).*eu-1\/a/);
  expect(stderr).toContain('dc1: p2: is served at a Unix socket (SocketPath)');
});

it('a call is explained with the port and the peer that it would go to', async () => {
  const args = ['explain', 'payments', '--method', '/a.B/C', '--consul', registry.address];
  const shown = async () => (await graylane(args)).stdout;
  await expect.poll(shown, PATIENCE).toMatch(/site .*peer cloud .*127\.0\.0\.9:7001 .*p9/);
  expect(await shown()).toMatch(/site .*dc1 .*127\.0\.0\.1:8080 \(http\) .*p1/);
});
