import { isIP } from 'node:net';
import type { DuplicateInstance, Instance } from '../../base/instances';
import { peerPlace } from '../../base/instances';
import { isRecord } from '../../base/is-record';
import { nearest } from '../../base/spelling';
import type { ConsulClient } from '../../consul/client';
import { parseHealth, parseJsonArray } from '../../consul/health-answer';
import { parseEntry } from '../../consul/health-entry';
import { lookupsOf } from '../../policy/destinations';
import type { Lookup, Plan } from '../../policy/plan';
import { readServiceNames } from '../consul/instances-now';
import { ask, bodyOf, type Finding, ok, problem, type Question, warning } from './finding';

const MOST_NAMED = 3;

interface Listed {
  readonly findings: readonly Finding[];
  readonly usable: readonly Instance[];
}

/** Lists the instances that take calls, and finds faults of the registrations. */
export async function lookAtInstances(question: Question): Promise<Listed> {
  const { service, dc, connection } = question;
  const check = `instances of ${service}`;
  const answer = await ask(connection.client, dc, '/health/service/{service}', { service });
  const only = (finding: Finding): Listed => ({ findings: [finding], usable: [] });
  if (answer.kind === 'failure') {
    const token = `give a token that ${dc ?? 'this datacenter'} knows: one made elsewhere holds there only where tokens are replicated`;
    return only(problem(check, answer.reason, answer.status === 403 ? token : 'look at the log of the agent'));
  }
  const text = answer.body.toString('utf8');
  const parsed = parseHealth(text, dc ?? 'local', []);
  if (parsed.kind !== 'health') {
    const next = `run graylane instances ${service}, and correct the registrations`;
    return only(problem(check, parsed.reason, next));
  }
  const { instances, rejected, duplicates, doubles } = parsed;
  const usable = instances.filter(isUsable);
  if (instances.length === 0 && rejected === 0) return only(await whyEmpty(question, check, answer.filteredByAcl));
  const malformed = rejected - duplicates;
  const failed = instances.filter(({ isNodeFailed }) => isNodeFailed === true).length;
  const draining = instances.filter(({ status, weight }) => status !== 'critical' && weight === 0).length;
  const finding = [
    `${usable.length} of ${instances.length} usable`,
    draining > 0 && `${draining} of weight 0`,
    failed > 0 && `${failed} on nodes that Consul cannot reach (serfHealth), called as long as they answer`,
    malformed > 0 && `${malformed} malformed and left out`,
  ]
    .filter((part) => part !== false)
    .join(', ');
  let summary: Finding = { check, state: malformed + failed === 0 ? 'ok' : 'warning', finding };
  if (answer.filteredByAcl) {
    const next = `give its ACL policy service "${service}" { policy = "read" } and node_prefix "" { policy = "read" }`;
    summary = problem(check, `${finding}; there are more, which the token may not see`, next);
  } else if (usable.length === 0) {
    summary = problem(check, finding, `run graylane instances ${service}, and look at their health checks`);
  }
  return { findings: [summary, ...registrationFindings(text, check, service, doubles)], usable };
}

/** Checks the addresses and the IDs of the registrations. */
function registrationFindings(
  text: string,
  check: string,
  service: string,
  doubles: readonly DuplicateInstance[],
): readonly Finding[] {
  const entries = parseJsonArray(text);
  if (typeof entries === 'string') return [];
  const listed = entries.flatMap((entry) => {
    const instance = parseEntry(entry, '');
    return instance === undefined ? [] : [{ ...instance, nodeAddress: nodeAddressIn(entry) }];
  });
  const twice = groupsOf(listed, ({ address, port }) => `${address}:${port}`);
  const [double] = doubles;
  const reachable =
    'register the address at which other machines reach it: address of registerInstance(), HOST_IP, POD_IP';
  const faults: readonly (readonly [make: typeof problem, of: readonly Instance[], what: string, next: string])[] = [
    [
      problem,
      // Loopback is right where Consul itself is on it: then all is one machine. (Consul itself refuses 0.0.0.0.)
      listed.filter(({ address, nodeAddress }) => isLoopback(address) && !isLoopback(nodeAddress)),
      'no other machine reaches that address',
      reachable,
    ],
    [
      warning,
      listed.filter(({ address, nodeAddress }) => isOfDocker(address) && !isOfDocker(nodeAddress)),
      "an address of Docker's own network, which other machines do not reach",
      reachable,
    ],
    [
      warning,
      double === undefined ? [] : twice,
      `registered more than once at the same address, and the newest counts (${double?.endpoint}: ${double?.counts}, not ${double?.leftOut})`,
      `take the dead registration out: consul services deregister -id=${double?.leftOut}, at its own agent`,
    ],
    [
      warning,
      groupsOf(listed, ({ id }) => id).filter((instance) => !twice.includes(instance)),
      'the same ID on several nodes, which no message can tell apart',
      `give each instance of ${service} an ID of its own`,
    ],
  ];
  return faults.flatMap(([make, of, what, next]) =>
    of.length === 0 ? [] : [make(check, `${shown(of)}: ${what}`, next)],
  );
}

function isUsable({ status, weight }: Instance): boolean {
  return status !== 'critical' && weight > 0;
}

function shown(instances: readonly Instance[]): string {
  const named = instances
    .slice(0, MOST_NAMED)
    .map(({ id, address, port }) => `${id} at ${address}:${port}`)
    .join(', ');
  return instances.length > MOST_NAMED ? `${named} and ${instances.length - MOST_NAMED} more` : named;
}

/** Those that share a key with another. */
function groupsOf<T>(items: readonly T[], keyOf: (item: T) => string): readonly T[] {
  const counts = new Map<string, number>();
  for (const item of items) counts.set(keyOf(item), (counts.get(keyOf(item)) ?? 0) + 1);
  return items.filter((item) => (counts.get(keyOf(item)) ?? 0) > 1);
}

function nodeAddressIn(entry: unknown): string {
  const node = isRecord(entry) ? entry['Node'] : undefined;
  return isRecord(node) ? String(node['Address']) : '';
}

function isLoopback(address: string): boolean {
  return address === 'localhost' || address === '::1' || (isIP(address) === 4 && address.startsWith('127.'));
}

/** Docker's default bridge. */
function isOfDocker(address: string): boolean {
  return address.startsWith('172.17.');
}

/**
 * Finds out why Consul lists no instance. Consul answers an empty list when the token may not read the service. The
 * discovery chain of the service is refused in that case, and the list of nodes is empty when the token may not read
 * nodes.
 */
async function whyEmpty({ service, dc, connection }: Question, check: string, filtered: boolean): Promise<Finding> {
  const { client } = connection;
  const get = (path: string): ReturnType<typeof ask> => ask(client, dc, path, { service });
  const serviceRight = `service "${service}" { policy = "read" }`;
  const missing = (right: string, rule: string): Finding => {
    const why = 'Consul answers an empty list where it leaves out what may not be seen';
    return problem(check, `the token lacks ${right}: ${why}`, `give its ACL policy ${rule}`);
  };
  const chain = await get('/discovery-chain/{service}');
  if (chain.kind === 'failure' && chain.status === 403) return missing(`service:read on ${service}`, serviceRight);
  const nodes = await get('/catalog/nodes');
  // Consul runs on a node itself, so a token with the right sees at least one.
  const seesNodes = nodes.kind === 'answer' && nodes.body.toString('utf8').trim() !== '[]';
  if (!seesNodes) return missing('node:read', 'node_prefix "" { policy = "read" }');
  if (filtered) return missing(`service:read on ${service}, or node:read on its nodes`, serviceRight);
  const connected = await get('/health/connect/{service}');
  if (connected.kind === 'answer' && connected.body.toString('utf8').trim() !== '[]') {
    const proxied = 'it is registered behind Connect proxies alone, which this library does not speak to';
    return problem(check, proxied, 'register the instances themselves, beside their sidecars; see docs/discovery.md');
  }
  const finding = 'none is registered';
  const meant = nearest(service, (await readServiceNames(client, dc)) ?? []);
  if (meant !== undefined) {
    const next = 'correct the name in the target, in the policy, or in the registration';
    return problem(check, `${finding}; did you mean ${meant}?`, next);
  }
  if (chain.kind === 'failure') {
    const either = `${finding}, or the token lacks service:read (it cannot be told: ${chain.reason})`;
    return warning(check, either, `see that ${service} is registered, and that the token has ${serviceRight}`);
  }
  return warning(check, finding, `check the name, the datacenter (--dc) and the registration`);
}

const RIGHTS = 'service_prefix "" { policy = "read" } and node_prefix "" { policy = "read" }';

/**
 * The peers that a plan leads to: whether each is there, and whether the token sees its instances. Consul lists
 * imported services only to tokens that may read all services and all nodes, and says nothing to others.
 * https://developer.hashicorp.com/consul/docs/connect/cluster-peering
 */
export async function checkPeers(
  client: ConsulClient,
  plan: Plan,
  dc: string | undefined,
): Promise<readonly Finding[]> {
  const lookups = lookupsOf(plan).filter(({ scope }) => scope['peer'] !== undefined);
  const findings = await Promise.all(lookups.map((lookup) => checkPeer(client, lookup, dc)));
  return findings.flat();
}

async function checkPeer(client: ConsulClient, lookup: Lookup, dc: string | undefined): Promise<readonly Finding[]> {
  const { service, scope } = lookup;
  const peer = scope['peer'] ?? '';
  const check = `instances of ${service} in ${peerPlace(peer)}`;
  const state = await stateOf(client, peer, dc);
  const answer = await ask(client, dc, '/health/service/{service}', { service }, scope);
  if (answer.kind === 'failure') return [problem(check, answer.reason, `consul peering read -name ${peer}`)];
  if (answer.filteredByAcl) {
    const finding = 'the token may not see all of them, and Consul leaves out what it may not see';
    return [problem(check, finding, `give its ACL policy ${RIGHTS}`)];
  }
  const parsed = parseHealth(answer.body.toString('utf8'), peerPlace(peer), [], { peer });
  if (parsed.kind !== 'health') return [problem(check, parsed.reason, 'look at the peer')];
  const { instances } = parsed;
  const usable = instances.filter(isUsable).length;
  const finding = `${usable} of ${instances.length} usable${state === undefined ? '' : `; the peering is ${state}`}`;
  if (state !== undefined && state !== 'ACTIVE') {
    return [problem(check, finding, `consul peering read -name ${peer}`)];
  }
  if (usable > 0) return [ok(check, finding)];
  const next = `see that the peer exports ${service} to this cluster: consul peering exported-services, at the peer`;
  return [warning(check, finding, next)];
}

/**
 * What Consul calls the state of the peering; undefined where that may not be read (`peering = "read"`), as is common.
 */
async function stateOf(client: ConsulClient, peer: string, dc: string | undefined): Promise<string | undefined> {
  const answer = await ask(client, dc, '/peering/{peer}', { peer });
  if (answer.status === 404) return 'not there';
  const state = bodyOf(answer)?.['State'];
  return typeof state === 'string' ? state : undefined;
}
