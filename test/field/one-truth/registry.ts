import type { ServerResponse } from 'node:http';
import { reply, type ScriptedConsul, startScriptedConsul } from '../../support/scripted-consul';
import { DATACENTERS, type Listed, type World } from './worlds';

/** Answers as Consul does, for many worlds at once: service names tell them apart. */
export interface Registry {
  readonly address: string;
  add(world: World): void;
  remove(world: World): void;
  stop(): Promise<void>;
}

/** `portOf`: where a real server listens. */
export async function startRegistry(portOf: (server: number) => number): Promise<Registry> {
  const consul: ScriptedConsul = await startScriptedConsul();
  const worlds = new Map<string, World>();
  const worldOf = (name: string): World | undefined => worlds.get(name.replace(/^\w+-/, ''));

  consul.answer(({ path, query }, response) => {
    // Nothing changes: who asks for what comes after waits.
    if (query.has('index') && query.get('index') !== '0') return;
    const [, , kind = '', what = '', ...rest] = decodeURIComponent(path).split('/');
    const name = rest.at(-1) ?? '';
    const world = worldOf(name === '' ? what : name);
    const dc = query.get('dc') ?? 'dc1';
    if (kind === 'health' && what === 'service' && world !== undefined) {
      const peer = query.get('peer');
      const place = peer === null ? dc : `peer ${peer}`;
      const found = world.listed.filter((one) => one.service === name && one.place === place);
      const matching = found.filter((one) => matches(one, query.get('filter')));
      const isPart = world.filtered.has(place) && matching.length > 0;
      answer(
        response,
        matching.map((one) => healthEntry(one, portOf(one.server))),
        isPart,
      );
    } else if (kind === 'kv' && policyOf(world, name) !== undefined) {
      const Value = Buffer.from(JSON.stringify(policyOf(world, name))).toString('base64');
      answer(response, [{ Key: `graylane/policies/${name}`, Value, Flags: 0, CreateIndex: 5, ModifyIndex: 5 }]);
    } else if (kind === 'discovery-chain' && worldOf(what) !== undefined) {
      answer(response, { Chain: chainOf(worldOf(what), what) });
    } else if (path === '/v1/catalog/datacenters') answer(response, DATACENTERS);
    else if (path === '/v1/catalog/services') answer(response, {});
    else if (path === '/v1/agent/self') answer(response, { Config: { Datacenter: 'dc1' } });
    else if (kind === 'health') answer(response, []);
    else reply(response, { status: 404, index: '5', body: '' });
  });
  return {
    address: consul.address,
    add: (world) => worlds.set(world.service.replace(/^\w+-/, ''), world),
    remove: (world) => worlds.delete(world.service.replace(/^\w+-/, '')),
    stop: () => consul.stop(),
  };
}

function policyOf(world: World | undefined, name: string): object | undefined {
  return world?.service === name ? world.document : world?.other;
}

function answer(response: ServerResponse, body: unknown, isPart = false): void {
  reply(response, {
    index: '5',
    body,
    ...(isPart ? { headers: { 'x-consul-results-filtered-by-acls': 'true' } } : {}),
  });
}

function healthEntry(one: Listed, port: number): object {
  // A peer's datacenters may bear the names of ours.
  const Datacenter = one.place.startsWith('peer ') ? 'dc1' : one.place;
  return {
    Node: { Node: `n-${one.id}`, Address: '127.0.0.1', Datacenter },
    Service: {
      ID: one.id,
      Service: one.service,
      Address: '',
      Port: port,
      Tags: one.tags,
      Meta: one.meta,
      Weights: one.weights,
    },
    Checks: [{ CheckID: 'c', Status: one.status }],
  };
}

/** The two forms that worlds use. */
function matches({ meta, tags }: Listed, filter: string | null): boolean {
  if (filter === null) return true;
  const version = /^Service\.Meta\.version == "?(\w+)"?$/.exec(filter)?.[1];
  if (version !== undefined) return meta['version'] === version;
  const tag = /^"(\w+)" in Service\.Tags$/.exec(filter)?.[1];
  if (tag === undefined) throw new Error(`a filter that no world has: ${filter}`);
  return tags.includes(tag);
}

function chainOf(world: World | undefined, name: string): object {
  return (world?.document === undefined ? world?.chain : undefined) ?? defaultChain(name);
}

function defaultChain(service: string): object {
  const id = `${service}.default.dc1`;
  const target = { ID: id, Service: service, Namespace: 'default', Datacenter: 'dc1', Subset: {}, MeshGateway: {} };
  return {
    ServiceName: service,
    Namespace: 'default',
    Datacenter: 'dc1',
    Protocol: 'tcp',
    StartNode: `resolver:${id}`,
    Nodes: {
      [`resolver:${id}`]: {
        Type: 'resolver',
        Name: id,
        Resolver: { Default: true, ConnectTimeout: '5s', Target: id },
      },
    },
    Targets: { [id]: target },
  };
}
