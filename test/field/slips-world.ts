import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { createGraylane, type Graylane } from '../../src/index';
import { compilePolicy } from '../../src/policy/compile';
import { type ConsulCluster, type ConsulDatacenter, startConsul } from '../support/consul/start';
import {
  CHARGE,
  charge,
  type PaymentsClient,
  type PaymentsServer,
  paymentsClient,
  startPaymentsServer,
} from '../support/payments';
import { basePolicy, CALLS, SERVICE } from './policy-slips';

/** One registration, as Consul has it. */
export interface Registered {
  readonly datacenter: string;
  readonly name: string;
  readonly id: string;
  readonly address: string;
  readonly port: number;
  readonly tags: readonly string[];
  readonly meta: Readonly<Record<string, string>>;
}

/** Real servers in two datacenters, registered in a real Consul, and clients that make real calls. */
export interface SlipsWorld {
  readonly consul: ConsulCluster;
  readonly instances: readonly Registered[];
  readonly seers: readonly Seer[];
  /** What Consul lists of the service in these datacenters now. */
  listed(datacenters: readonly string[]): Promise<readonly Registered[]>;
  file(name: string, text: string): string;
  stop(): Promise<void>;
}

/** A client of the SDK. */
export interface Seer {
  readonly graylane: Graylane;
  readonly client: PaymentsClient;
  /** Of the agent that it asks, whose policy it goes by. */
  readonly datacenter: string;
  /** Where it looks for instances. */
  readonly sees: readonly string[];
  /** What it warned of. */
  readonly warnings: string[];
}

const KEY = `graylane/policies/${SERVICE}`;
const GROUPS: readonly (readonly [datacenter: string, count: number, tag: string, meta: Record<string, string>])[] = [
  ['dc1', 4, 'stable', { version: 'v1' }],
  ['dc1', 2, 'canary', { version: 'v2' }],
  ['dc1', 2, 'beta', { version: 'v3', lane: 'beta' }],
  ['dc2', 2, 'stable', { version: 'v1' }],
];

/** `follows`: where its clients are; each looks in its own datacenter alone, and one of dc1 in both. */
export async function startSlipsWorld(follows: readonly string[]): Promise<SlipsWorld> {
  const folder = mkdtempSync(join(tmpdir(), 'graylane-slips-'));
  const consul = await startConsul({ datacenters: ['dc1', 'dc2'] });
  const servers: PaymentsServer[] = [];
  const instances: Registered[] = [];
  for (const [datacenter, count, tag, meta] of GROUPS) {
    for (let at = 0; at < count; at += 1) {
      const id = `${tag}-${datacenter}-${at}`;
      const server = await startPaymentsServer({ name: id, datacenter });
      servers.push(server);
      const { host: address, port } = server;
      instances.push({ datacenter, name: SERVICE, id, address, port, tags: [tag], meta });
    }
  }
  for (const instance of instances) await consul.dc(instance.datacenter).register(instance);
  await consul.dc('dc1').putKv(KEY, JSON.stringify(basePolicy()));
  // A policy that somebody put there can only be left by a tombstone.
  await consul.dc('dc2').putKv(KEY, JSON.stringify({ schema: 1, service: SERVICE, tombstone: true }));
  const seers = [seer(consul, 'dc1', ['dc1', 'dc2']), ...follows.map((datacenter) => seer(consul, datacenter))];
  return {
    consul,
    instances,
    seers,
    async listed(datacenters) {
      const lists = datacenters.map(async (datacenter) => {
        const answer = await consul.dc(datacenter).request('GET', `/v1/health/service/${SERVICE}`);
        const entries = (await answer.json()) as readonly { readonly Service: Record<string, unknown> }[];
        return entries.map(({ Service: service }) => ({
          datacenter,
          name: SERVICE,
          id: String(service['ID']),
          address: String(service['Address']),
          port: Number(service['Port']),
          tags: (service['Tags'] ?? []) as readonly string[],
          meta: service['Meta'] as Readonly<Record<string, string>>,
        }));
      });
      return (await Promise.all(lists)).flat();
    },
    file(name, text) {
      const path = join(folder, name);
      writeFileSync(path, text);
      return path;
    },
    async stop() {
      for (const { graylane } of seers) await graylane.close();
      for (const server of servers) server.kill();
      await consul.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function seer(consul: ConsulCluster, datacenter: string, datacenters?: readonly string[]): Seer {
  const warnings: string[] = [];
  const warn = (message: string, fields?: object): void => void warnings.push(`${message} ${JSON.stringify(fields)}`);
  const graylane = createGraylane({
    consul: { address: consul.dc(datacenter).address },
    ...(datacenters === undefined ? {} : { datacenters }),
    logger: { debug() {}, info() {}, warn, error: warn },
    stateDirectory: false,
    telemetry: false,
  });
  const client = paymentsClient(graylane.target(SERVICE), graylane.clientOptions());
  return { graylane, client, datacenter, sees: datacenters ?? [datacenter], warnings };
}

/** What stands under `graylane/` in every datacenter now, histories and rollouts too. */
export async function rememberKeys({ consul }: SlipsWorld): Promise<() => Promise<void>> {
  const read = async (dc: ConsulDatacenter): Promise<ReadonlyMap<string, string>> => {
    const entries = (await (await dc.request('GET', '/v1/kv/graylane/?recurse')).json()) as readonly KvEntry[];
    return new Map(entries.map(({ Key, Value }) => [Key, Value ?? '']));
  };
  const kept = await Promise.all(consul.datacenters.map(async (dc) => ({ dc, before: await read(dc) })));
  /** Puts all of it back, without a moment in which a key that was there is missing. */
  return async () => {
    for (const { dc, before } of kept) {
      const now = await read(dc);
      for (const key of now.keys()) if (!before.has(key)) await dc.deleteKv(key);
      for (const [key, value] of before) {
        if (now.get(key) !== value) await dc.putKv(key, Buffer.from(value, 'base64'));
      }
    }
  };
}

interface KvEntry {
  readonly Key: string;
  /** Base64. */
  readonly Value: string | null;
}

/** Waits until every client goes by the policy that its datacenter has. */
export async function untilFollowed({ consul, seers }: SlipsWorld): Promise<void> {
  for (const { graylane, datacenter } of seers) {
    const text = await (await consul.dc(datacenter).request('GET', `/v1/kv/${KEY}?raw`)).text();
    const wanted = compilePolicy({ content: text, format: 'json' }, { service: SERVICE, origin: 'kv' });
    graylane.ready(SERVICE, { timeoutMs: 1 }).catch(() => {});
    await expect.poll(() => revisionInForce(graylane), { interval: 5, timeout: 10_000 }).toBe(wanted.revision);
  }
}

/** Of the plan that decides calls; undefined while nothing is known. */
export function revisionInForce(graylane: Graylane): string | undefined {
  try {
    return graylane.explain(SERVICE, { method: CHARGE }).revision;
  } catch {
    return undefined;
  }
}

/** Calls that fail in some client, of those that meet every route. */
export async function failingCalls(seers: readonly Seer[]): Promise<readonly string[]> {
  const failed: string[] = [];
  for (const { client, datacenter } of seers) {
    const outcomes = await Promise.allSettled(
      CALLS.map((labels) => charge(client, { ...labels }, { deadline: Date.now() + 10_000 })),
    );
    for (const [at, outcome] of outcomes.entries()) {
      if (outcome.status === 'rejected') failed.push(`${datacenter} ${JSON.stringify(CALLS[at])}: ${outcome.reason}`);
    }
  }
  return failed;
}
