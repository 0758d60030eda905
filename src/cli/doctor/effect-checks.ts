import { nearest } from '../../base/spelling';
import { askAgentZone } from '../../consul/agent-self';
import { describeSelector } from '../../ops/effect/describe-selector';
import { judgeEffect } from '../../ops/effect/effect';
import { type Membership, membershipOf } from '../../policy/membership/membership';
import { unassignedOf } from '../../policy/membership/shortfalls';
import type { Plan } from '../../policy/plan';
import { orNone } from '../command';
import { readInstancesNow, readServiceNames } from '../consul/instances-now';
import { readRegistryView } from '../consul/registry-view';
import { findPartition } from '../init/partition';
import { ask, type Finding, info, type PlannedQuestion, problem, warning } from './finding';
import { lookAtInstances } from './instance-checks';
import { checkPorts } from './port-checks';

/** What the policy does to calls now, by the same judgement as `policy apply`. */
export async function checkEffect(question: PlannedQuestion): Promise<readonly Finding[]> {
  const { service, dc, connection, plan } = question;
  const check = `calls of ${service}`;
  // Unreadable instances are reported by the check of instances.
  const view = await orNone(readRegistryView(connection, { service, datacenter: dc }, [plan]));
  if (view === undefined) return [];
  const { findings, athomeLost, isUnregistered } = judgeEffect({
    before: plan,
    after: plan,
    view,
    wallNowMs: Date.now(),
  });
  const next = `run graylane instances ${service}, and correct the policy or the registration`;
  const effects = findings
    // Missing registrations are reported by the check of instances, with the same hint.
    .filter(({ kind }) => kind !== 'service')
    .map(({ kind, text }) => (kind === 'same' || kind === 'empty' ? warning : problem)(check, text, next));
  if (isUnregistered) return effects;
  effects.push(...athomeLost.map((text) => warning(check, text, next)));
  const home = membershipOf(plan, { version: 0, datacenters: view.instances.datacenters.slice(0, 1) });
  // Other datacenters have other policies, but a misspelt tag is a fault in each.
  const everywhere = unassignedOf(plan, membershipOf(plan, view.instances));
  const left = everywhere?.slip === undefined ? unassignedOf(plan, home) : everywhere;
  if (left !== undefined) effects.push((left.slip === undefined ? warning : problem)(check, left.text, next));
  const idle = idleSubsets(plan);
  if (idle.length > 0) {
    const finding = `no call gets to ${idle.join(', ')}: no route, default or fallback names it`;
    effects.push(warning(check, finding, `add a route, or run graylane policy edit ${service}`));
  }
  if (plan.lanes !== undefined && !home.groups.some(({ isLane }) => isLane)) {
    const keys = plan.lanes.dimensions.map(({ meta }) => meta).join(', ');
    const finding = `the policy has lanes, and no instance has meta ${keys}: every call goes as without a lane`;
    effects.push(info(check, finding));
  }
  const roles = plan.document === undefined ? unusedRoles(question, home) : undefined;
  return roles === undefined ? effects : [...effects, roles];
}

/** Subsets of a document that nothing leads to, whatever the weights are. */
function idleSubsets({ document, fallthrough, routes, override, lanes }: Plan): readonly string[] {
  if (document === undefined) return [];
  const named = new Set([
    ...fallthrough.destination.chain,
    ...(override?.decision.destination.chain ?? []),
    ...(lanes?.dimensions ?? []).flatMap(({ fallback }) => fallback?.destination.chain ?? []),
    ...routes.flatMap(({ split }) => split.entries.flatMap(({ decision }) => decision.destination.chain)),
  ]);
  return Object.keys(document.subsets ?? {}).filter((name) => !named.has(name));
}

/** Instances that call themselves a canary get calls like any other while no policy says otherwise. */
function unusedRoles({ service, plan }: PlannedQuestion, home: Membership): Finding | undefined {
  if (plan.chain !== undefined) return undefined;
  const partition = findPartition(home.groups.flatMap(({ usable }) => usable));
  if (partition === undefined || partition.isByVersion) return undefined;
  const others = partition.parts.filter(({ name }) => name !== partition.base);
  const shown = others.map(({ name, instances }) => `${name} (${instances.length})`).join(', ');
  const finding = `${shown} by ${partition.by} gets calls as ${partition.base} does: there is no policy that tells them apart`;
  return warning(`calls of ${service}`, finding, `run graylane init ${service}`);
}

/** Checks the datacenters of failover: whether the token may list the instances there, and whether one is usable. */
export async function checkFailover(question: PlannedQuestion): Promise<readonly Finding[]> {
  const { service, dc, connection, plan } = question;
  const known: readonly string[] = await connection.everywhere().catch(() => []);
  const named = [...(plan.locality.failover ?? []), ...(plan.override?.decision.datacenters ?? [])];
  const findings: Finding[] = [];
  for (const name of new Set(named)) {
    // Unknown datacenters are reported by the check of the policy.
    if (name === dc || !known.includes(name)) continue;
    const { findings: there, usable } = await lookAtInstances({ ...question, dc: name });
    const ports = question.flags.dial ? await checkPorts(question, usable) : [];
    const isBad = ({ state }: Finding): boolean => state === 'problem' || state === 'warning';
    const neighbours = await checkNeighbours({ ...question, dc: name });
    const left = await unassignedIn(name, question);
    const bad = [there.find(isBad), ports.find(isBad), ...neighbours, left].filter((one) => one !== undefined);
    findings.push(...bad.map((one) => ({ ...one, check: `failover of ${service} to ${name}` })));
  }
  return findings;
}

/** Instances of another datacenter that the policy gives no calls when it fails over to there. */
async function unassignedIn(
  name: string,
  { service, plan, connection }: PlannedQuestion,
): Promise<Finding | undefined> {
  const filters = [...plan.subsets.values()].flatMap(({ filter }) => filter ?? []);
  const there = await orNone(readInstancesNow(connection.client, service, [name], filters));
  if (there === undefined) return undefined;
  const membership = membershipOf(plan, there);
  const left = unassignedOf(plan, membership);
  // A misspelt tag is told with the calls, wherever it is.
  if (left?.slip !== undefined) return undefined;
  const isAll = membership.groups.length === 0 && membership.unassigned.length > 0;
  const none = isAll ? describeSelector(plan, plan.fallthrough.destination.subset, membership) : undefined;
  const text = left?.text ?? none;
  if (text === undefined) return undefined;
  const next = `run graylane instances ${service} --dc ${name}, and correct the policy or the registration`;
  return warning(`instances of ${service}`, text, next);
}

/** A service that is spelt almost as this one and has no policy of its own: most likely instances of this one. */
export async function checkNeighbours({ service, dc, connection }: PlannedQuestion): Promise<readonly Finding[]> {
  const names = (await readServiceNames(connection.client, dc)) ?? [];
  const check = `instances of ${service}`;
  const written = names.find((name) => name.toLowerCase() === service.toLowerCase());
  if (written !== undefined && !names.includes(service)) {
    const finding = `Consul lists it as ${written}, and clients read the policy of the very name that they call`;
    return [problem(check, finding, `write ${written} in the target and in the policy`)];
  }
  if (!names.includes(service)) return [];
  // `orders-1` and `orders-2` are siblings, not slips of the pen.
  const bare = (name: string): string => name.replace(/\d/g, '');
  const others = names.filter((name) => name !== service && bare(name) !== bare(service));
  const near = nearest(service, others);
  if (near === undefined) return [];
  const key = `graylane/policies/${near}`;
  const policy = await ask(connection.client, dc, '/kv/{key}', { key });
  if (policy.kind === 'answer' && policy.status === 200) return [];
  const finding = `a service ${near} is registered, too, which is spelt almost alike`;
  return [warning(check, finding, `if ${near} is a slip, correct the name in its registration`)];
}

/** A policy that prefers zones needs to know the client's. */
export async function checkZones({ service, connection, plan, env }: PlannedQuestion): Promise<readonly Finding[]> {
  if (plan.locality.zones !== 'prefer' || (env['GRAYLANE_ZONE'] ?? '') !== '') return [];
  const zone = await askAgentZone(connection.client);
  if (zone.kind === 'zone') return [];
  const finding = `the policy prefers zones, and clients do not know theirs: ${zone.reason}`;
  const next = 'set GRAYLANE_ZONE or the option zone, or give the token agent:read and the agent a node meta zone';
  return [warning(`zones of ${service}`, finding, next)];
}
