import type { ConsulCluster } from '../../support/consul/start';
import { emptyTally, runWorld, type Tally } from './cells';
import { type Ground, SERVERS } from './ground';
import { Dice, type World, worldOf } from './worlds';

/** Registries of a real Consul, whose chains it compiles from config entries: everybody is asked of each call. */
export async function runRealWorlds(
  count: number,
  {
    consul,
    ground,
    random,
  }: { readonly consul: ConsulCluster; readonly ground: Ground; readonly random: () => number },
): Promise<Tally> {
  const tally = emptyTally();
  const dice = new Dice(random);
  for (let number = 0; tally.cells < count * 5; number += 1) {
    const drawn = worldOf(number, random, SERVERS, 5);
    // No server of that age has peers.
    if (drawn.chain === undefined || drawn.listed.some(({ place }) => place.startsWith('peer '))) continue;
    const other = drawn.service.replace('pay', 'ord');
    await register(consul, drawn, ground);
    const home = consul.dc('dc1');
    for (const entry of entriesOf(dice, drawn.service, other)) {
      await (await home.request('PUT', '/v1/config', entry)).arrayBuffer();
    }
    const answer = await home.request('GET', `/v1/discovery-chain/${drawn.service}`);
    const { Chain: chain } = (await answer.json()) as { readonly Chain: object };
    await runWorld({ ...drawn, chain }, home.address, tally);
  }
  return tally;
}

async function register(consul: ConsulCluster, { listed }: World, { servers }: Ground): Promise<void> {
  for (const { service, place, id, server, tags, meta, status, weights } of listed) {
    await consul.dc(place).register({
      name: service,
      id,
      address: '127.0.0.1',
      port: servers[server]?.instance.port ?? 0,
      tags,
      meta,
      status,
      weights: { passing: weights.Passing, warning: Math.max(1, weights.Warning) },
    });
  }
}

/** Subsets, a default one, redirects, failover, splits and routes, as people write them. */
function entriesOf(dice: Dice, service: string, other: string): readonly object[] {
  const subsets = (): object => ({
    v1: { Filter: 'Service.Meta.version == v1', OnlyPassing: dice.chance(0.5) },
    v2: { Filter: 'Service.Meta.version == v2', OnlyPassing: dice.chance(0.5) },
  });
  const failover = (): object =>
    dice.of<object>([
      {},
      { Failover: { '*': { Datacenters: dice.shuffled(['dc2', 'dc3']) } } },
      { Failover: { v1: { ServiceSubset: 'v2' }, '*': { Service: other } } },
    ]);
  const resolver = dice.chance(0.2)
    ? {
        Redirect: dice.of<object>([{ Service: other }, { Service: other, ServiceSubset: 'v1' }, { Datacenter: 'dc2' }]),
      }
    : { Subsets: subsets(), ...failover(), ...(dice.chance(0.5) ? { DefaultSubset: dice.of(['v1', 'v2']) } : {}) };
  const entries: object[] = [
    { Kind: 'service-defaults', Name: service, Protocol: 'grpc' },
    { Kind: 'service-defaults', Name: other, Protocol: 'grpc' },
    { Kind: 'service-resolver', Name: other, Subsets: subsets() },
    { Kind: 'service-resolver', Name: service, ...resolver },
  ];
  if ('Redirect' in resolver) return entries;
  if (dice.chance(0.4)) {
    const Splits = [
      { Weight: 60, ServiceSubset: 'v1' },
      dice.chance(0.5) ? { Weight: 40, ServiceSubset: 'v2' } : { Weight: 40, Service: other },
    ];
    entries.push({ Kind: 'service-splitter', Name: service, Splits });
  }
  if (dice.chance(0.5)) {
    const Match = { HTTP: { PathPrefix: '/', Header: [{ Name: 'x-gray', Exact: 'canary' }] } };
    const Destination = dice.of<object>([{ ServiceSubset: 'v2' }, { Service: other }]);
    entries.push({ Kind: 'service-router', Name: service, Routes: [{ Match, Destination }] });
  }
  return entries;
}
