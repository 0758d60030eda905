import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createGraylane } from '../../../src/index';
import { type InstanceOptions, type Registration, registerInstance } from '../../../src/server';
import { closeAfterEach, pause } from '../../support/closers';
import { type ConsulCluster, type ConsulDatacenter, startConsul } from '../../support/consul/start';
import { charge, paymentsClient } from '../../support/payments';
import { startScriptedConsul } from '../../support/scripted-consul';
import { startHealthyServer } from './grpc-server';

const closing = closeAfterEach();

let cluster: ConsulCluster;
let consul: ConsulDatacenter;
beforeAll(async () => {
  cluster = await startConsul();
  consul = cluster.dc('dc1');
});
afterAll(() => cluster.stop());

const silent = { debug() {}, info() {}, warn() {}, error() {} };

function open(options: Partial<InstanceOptions>): Registration {
  const given = { name: 'payments', port: 4_000, id: 'p1', address: '127.0.0.1', settleMs: 0, logger: silent };
  return closing(registerInstance({ consul: { address: consul.address }, ...given, ...options }), (one) => one.stop());
}

interface Entry {
  readonly Service: {
    readonly ID: string;
    readonly Tags: readonly string[];
    readonly Meta: Readonly<Record<string, string>>;
    readonly Weights: unknown;
    readonly Port: number;
    readonly Address: string;
    readonly EnableTagOverride: boolean;
  };
  readonly Checks: readonly {
    readonly CheckID: string;
    readonly Status: string;
    readonly Output: string;
    readonly Definition: Readonly<Record<string, unknown>>;
  }[];
}

async function entries(name = 'payments'): Promise<readonly Entry[]> {
  return (await (await consul.request('GET', `/v1/health/service/${name}`)).json()) as readonly Entry[];
}

async function statusOf(id: string): Promise<string | undefined> {
  const entry = (await entries()).find(({ Service }) => Service.ID === id);
  return entry?.Checks.find(({ CheckID }) => CheckID === `service:${id}`)?.Status;
}

describe('an instance that registers itself', () => {
  it('is in Consul with everything that was said of it', async () => {
    const registration = open({
      tags: ['canary', 'v2'],
      meta: { version: 'v2', zone: 'a' },
      weights: { passing: 7, warning: 2 },
      enableTagOverride: true,
      check: 'none',
    });
    await registration.registered();
    expect(registration.state).toBe('registered');
    const [entry] = await entries();
    expect(entry?.Service).toMatchObject({
      ID: 'p1',
      Address: '127.0.0.1',
      Port: 4_000,
      Tags: ['canary', 'v2'],
      Meta: { version: 'v2', zone: 'a' },
      Weights: { Passing: 7, Warning: 2 },
      EnableTagOverride: true,
    });
    expect(await registration.stop()).toEqual({ deregistered: true, drained: true });
    expect(registration.state).toBe('stopped');
    expect(await entries()).toEqual([]);
  });

  it('says when it began, once and for all, unless it is told otherwise', async () => {
    const before = Date.now();
    const registration = open({ check: 'none', verifyEveryMs: 500 });
    await registration.registered();
    const startOf = async (): Promise<string | undefined> => (await entries())[0]?.Service.Meta['started-at'];
    const told = await startOf();
    expect(told).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    expect(Date.parse(told ?? '')).toBeGreaterThanOrEqual(before);
    expect(Date.parse(told ?? '')).toBeLessThanOrEqual(Date.now());
    await consul.deregister('p1');
    await expect.poll(startOf, { timeout: 5_000 }).toBe(told);
    await registration.stop();

    const own = { 'started-at': '2026-01-02T03:04:05Z' };
    await open({ check: 'none', meta: own }).registered();
    expect(await startOf()).toBe(own['started-at']);
    // Consul takes 64 keys and no more.
    const full = Object.fromEntries(Array.from({ length: 64 }, (_, key) => [`k${key}`, 'v']));
    await open({ check: 'none', meta: full }).registered();
    expect((await entries())[0]?.Service.Meta).toEqual(full);
  });

  it('is found and called by a Graylane client, and judged by its gRPC health', async () => {
    const { server, health, port } = await startHealthyServer();
    const registration = open({ port, server, health, check: { type: 'grpc', intervalMs: 1_000 }, graceMs: 0 });
    await registration.registered();
    const graylane = closing(createGraylane({ consul: { address: consul.address } }), (one) => one.close());
    const client = paymentsClient(graylane.target('payments'), graylane.clientOptions());
    expect(await charge(client)).toMatchObject({ servedBy: 'p1' });
    health.setStatus('', 'NOT_SERVING');
    await expect.poll(() => statusOf('p1'), { timeout: 5_000 }).toBe('critical');
    health.setStatus('', 'SERVING');
    await expect.poll(() => statusOf('p1'), { timeout: 5_000 }).toBe('passing');
  });

  it('reports itself for as long as it lives, with a TTL', async () => {
    await open({ check: { type: 'ttl', ttlMs: 1_000 } }).registered();
    for (let look = 0; look < 10; look += 1) {
      expect(await statusOf('p1')).toBe('passing');
      await pause(200);
    }
  });

  it('is well again at once when it replaces one that was critical', async () => {
    await open({ check: { type: 'ttl' } }).registered();
    await consul.setStatus('p1', 'critical');
    expect(await statusOf('p1')).toBe('critical');
    await open({ check: { type: 'ttl' } }).registered();
    expect(await statusOf('p1')).toBe('passing');
    expect(await entries()).toHaveLength(1);
  });

  it.each([
    ['none', { check: 'none', verifyEveryMs: 500 }],
    ['ttl', { check: { type: 'ttl', ttlMs: 1_500 } }],
  ] as const)('comes back after somebody took it out, check %s', async (_, options) => {
    const warnings: string[] = [];
    const logger = { ...silent, warn: (message: string) => void warnings.push(message) };
    const registration = open({ ...options, logger });
    await registration.registered();
    await consul.deregister('p1');
    expect(await entries()).toEqual([]);
    await expect.poll(async () => (await entries()).length, { timeout: 5_000 }).toBe(1);
    expect(warnings).toEqual(['the Consul agent has lost the instance; registering it again']);
  });

  it('does not come back after it has left', async () => {
    const registration = open({ check: { type: 'ttl', ttlMs: 1_000 } });
    // In the middle of registering.
    const [, report] = await Promise.all([registration.registered().catch(() => {}), registration.stop()]);
    expect(report.deregistered).toBe(true);
    await pause(700);
    expect(await entries()).toEqual([]);
    expect(await registration.stop()).toBe(report);
    await expect(registration.registered()).rejects.toMatchObject({ code: 'NOT_READY' });
  });
});

describe('an agent', () => {
  it('that is restarted without its state gets the instance again', async () => {
    const own = closing(await startConsul(), (one) => one.stop());
    const agent = own.dc('dc1');
    const ttl = open({ id: 'ttl', consul: { address: agent.address }, check: { type: 'ttl', ttlMs: 1_500 } });
    const none = open({ id: 'none', consul: { address: agent.address }, check: 'none', verifyEveryMs: 500 });
    await Promise.all([ttl.registered(), none.registered()]);
    await agent.restart();
    const ids = async (): Promise<readonly string[]> => {
      const answer = await agent.request('GET', '/v1/health/service/payments?passing');
      return ((await answer.json()) as readonly Entry[]).map(({ Service }) => Service.ID).sort();
    };
    await expect.poll(ids, { timeout: 10_000 }).toEqual(['none', 'ttl']);
  });

  it('that cannot be reached is tried until it can, and is named by who waits', async () => {
    const own = closing(await startConsul(), (one) => one.stop());
    const agent = own.dc('dc1');
    await agent.kill();
    const registration = open({ consul: { address: agent.address }, check: 'none', verifyEveryMs: 500 });
    const [host] = agent.address.split('//').slice(1);
    await expect(registration.registered({ timeoutMs: 300 })).rejects.toMatchObject({
      code: 'NOT_READY',
      message: expect.stringMatching(`p1: ECONNREFUSED .*${host}`),
    });
    await agent.restart();
    await registration.registered();
    await agent.kill();
    expect(await registration.stop()).toEqual({ deregistered: false, drained: true });
  });

  it('gets the token in the header, refuses without it, and the token is told to nobody', async () => {
    const acl = closing(await startConsul({ acl: true, mode: 'server' }), (one) => one.stop());
    const { address, createToken } = acl.dc('dc1');
    const { secret } = await createToken('service "payments" { policy = "write" }');
    const lines: string[] = [];
    const log = (message: string, fields?: object): void => void lines.push(message + JSON.stringify(fields));
    const logger = { debug: log, info: log, warn: log, error: log };
    const wrong = open({ consul: { address, token: 'wrong-token-of-mine' }, check: 'none', logger });
    await expect(wrong.registered({ timeoutMs: 1_000 })).rejects.toMatchObject({
      message: expect.stringContaining('403'),
    });
    await open({ consul: { address, token: () => secret }, logger, check: 'ttl' }).registered();
    await open({ id: 'p2', consul: { address, token: () => secret }, logger, check: 'none' }).registered();
    expect(lines.length).toBeGreaterThan(1);
    expect(lines.join('\n')).not.toContain('wrong-token-of-mine');
    expect(lines.join('\n')).not.toContain(secret);
  }, 60_000);

  it('of newer versions answers an unknown check with 404, which means lost too', async () => {
    const scripted = closing(await startScriptedConsul(), (one) => one.stop());
    let isLost = false;
    scripted.answer(({ path }, response) => {
      if (path.endsWith('/register')) isLost = scripted.requests.length === 1;
      const isConfirmation = path.includes('/check/pass/') && scripted.requests.length > 2;
      response.writeHead(isLost && isConfirmation ? 404 : 200).end();
    });
    await open({ consul: { address: scripted.address }, check: { type: 'ttl', ttlMs: 1_000 } }).registered();
    const registrations = (): number => scripted.requests.filter(({ path }) => path.endsWith('/register')).length;
    await expect.poll(registrations).toBe(2);
  });
});

describe('an instance with several ports', () => {
  const ports = { http: 4_000, grpc: 4_001 };

  it('is registered with all of them at an agent that knows them', async () => {
    const scripted = closing(await startScriptedConsul(), (one) => one.stop());
    let registered = '{}';
    scripted.answer(({ path, body }, response) => {
      if (path.endsWith('/register')) registered = body;
      response.writeHead(200).end();
    });
    const lines: string[] = [];
    const logger = { ...silent, warn: (message: string) => void lines.push(message) };
    await open({ ports, check: 'none', consul: { address: scripted.address }, logger }).registered();
    expect(JSON.parse(registered)).toMatchObject({
      ID: 'p1',
      Ports: [
        { Name: 'http', Port: 4_000, Default: true },
        { Name: 'grpc', Port: 4_001, Default: false },
      ],
    });
    expect(JSON.parse(registered)).not.toHaveProperty('Port');
    expect(lines).toEqual([]);
  });

  it.each(['none', 'ttl'] as const)(
    'is registered at its default one where the agent knows no other, and says so once: %s',
    async (check) => {
      const lines: string[] = [];
      const logger = { ...silent, warn: (message: string) => void lines.push(message) };
      await open({ ports, check, logger }).registered();
      const [entry] = await entries();
      const isNewer = entry !== undefined && 'Ports' in entry.Service;
      if (isNewer) expect(entry.Service.Ports).toHaveLength(2);
      else expect(entry?.Service.Port).toBe(4_000);
      expect(lines).toEqual(
        isNewer ? [] : [expect.stringMatching(/knows no named ports.*port 4000 alone is registered/)],
      );
    },
  );
});

describe('options of an instance', () => {
  it.each<[Record<string, unknown>, string]>([
    [{ port: 0 }, 'instance.port: 0 (expected: 1..65535)'],
    [{ ports: { grpc: 0 } }, 'instance.ports["grpc"]: 0 (expected: 1..65535)'],
    [{ ports: { 'a b': 1 } }, 'instance.ports["a b"]: name (expected: letters'],
    [{ ports: { grpc: 2 } }, 'instance.ports: none of them is 1 (expected: port among them, the default)'],
    [{ ports: [1] }, 'instance.ports: '],
    [{ port: 1.5 }, 'instance.port: 1.5 (expected: 1..65535)'],
    [{ name: 'a b' }, 'instance.name: "a b" (expected: a service name'],
    [{ name: undefined }, 'instance.name: missing'],
    [{ tags: 'canary' }, 'instance.tags: "canary" (expected: a list of strings'],
    [{ tags: ['a\u0000'] }, 'instance.tags: '],
    [{ meta: { 'a b': 'c' } }, 'instance.meta["a b"]: key (expected: letters'],
    [{ meta: { a: 1 } }, 'instance.meta.a: number (expected: a string'],
    [{ weights: { passing: 0 } }, 'instance.weights.passing: 0 (expected: 1..65535)'],
    [{ weights: { pasing: 1 } }, 'instance.weights.pasing: unknown'],
    [{ check: 'http' }, 'instance.check: "http" (expected: grpc, ttl, none)'],
    [{ check: { type: 'ttl', ttlMs: 5 } }, 'instance.check.ttlMs: 5 (expected: 1000..600000)'],
    [{ check: { type: 'grpc', target: 'nowhere' } }, 'instance.check.target: "nowhere" (expected: host:port)'],
    [{ check: null }, 'instance.check: '],
    [{ server: {} }, 'instance.server: object (expected: an object with tryShutdown() and forceShutdown(), or '],
    [{ health: 'ok' }, 'instance.health: string (expected: an object with setStatus())'],
    [{ graceMs: -1 }, 'instance.graceMs: -1 (expected: 0..600000)'],
    [{ id: 'a/b' }, 'instance.id: "a/b"'],
    [{ deregisterCriticalAfterMs: 1_000 }, 'instance.deregisterCriticalAfterMs: 1000'],
    [{ consul: { address: 'ftp://x' } }, 'consul.address: "ftp://x"'],
    [{ colour: 'red' }, 'instance.colour: unknown'],
  ])('%j is refused', (wrong, message) => {
    const options = { name: 'payments', port: 1, ...wrong } as unknown as InstanceOptions;
    expect(() => registerInstance(options)).toThrow(
      expect.objectContaining({ code: 'INVALID_OPTION', message: expect.stringContaining(message) }),
    );
  });

  it('are all judged before one is refused', () => {
    expect(() => registerInstance(undefined as never)).toThrow(
      /instance: undefined[\s\S]*name: missing[\s\S]*port: missing/,
    );
  });
});
