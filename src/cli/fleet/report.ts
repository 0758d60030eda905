import { CommandError } from '../command';
import { type ConsulConnection, type ConsulFlags, withConsul } from '../consul/consul-connection';
import { formatDuration } from '../describe';
import { shownUrl } from '../fetch-json';
import { checkSources, type FleetSources } from '../flags';
import type { CommandIo } from '../io';
import { clientsFromPrometheus, clientsFromUrls } from './clients';
import { type ClientStatus, judge, type Member, type PolicyStatus, readPolicyStatuses } from './member';

/** The policies that the processes of a service follow, at one moment. */
export interface FleetReport {
  readonly service: string;
  readonly statuses: readonly PolicyStatus[];
  readonly members: readonly Member[];
  /** Datacenters that did not say what they have. */
  readonly failures: readonly string[];
}

/**
 * Reads the processes before the policies, so that a policy written meanwhile makes a process late, and never more than
 * up to date. `failure`: the processes cannot be read. Throws a CommandError when Consul does not answer.
 */
export async function lookAtFleet(
  connection: ConsulConnection,
  service: string,
  wanted: readonly (string | undefined)[],
  sources: FleetSources,
): Promise<FleetReport | { readonly failure: string }> {
  const clients = await findClients(sources, service);
  if ('failure' in clients) return clients;
  const { known, failures } = await readPolicyStatuses(connection, service, wanted);
  const members = clients.map((client) => judge(client, known)).filter((member) => member !== undefined);
  const order = { behind: 0, own: 1, follows: 2 };
  members.sort((a, b) => order[a.state] - order[b.state] || (a.process < b.process ? -1 : 1));
  return { service, statuses: known.filter(({ isWanted }) => isWanted), members, failures };
}

async function findClients(
  { prometheus, url = [] }: FleetSources,
  service: string,
): Promise<readonly ClientStatus[] | { readonly failure: string }> {
  if (prometheus === undefined) return clientsFromUrls(url, service);
  const clients = await clientsFromPrometheus(prometheus, service);
  return 'failure' in clients ? { failure: `Prometheus at ${shownUrl(prometheus)}: ${clients.failure}` } : clients;
}

export function behindIn({ members }: FleetReport): readonly Member[] {
  return members.filter(({ state }) => state === 'behind');
}

export function followingIn({ members }: FleetReport): readonly Member[] {
  return members.filter(({ state }) => state === 'follows');
}

/** Whether every process that reads the policy has the newest, and there is at least one. */
export function isFollowed(report: FleetReport): boolean {
  return report.failures.length === 0 && behindIn(report).length === 0 && followingIn(report).length > 0;
}

export function fleetAsData(report: FleetReport): object {
  return {
    service: report.service,
    following: followingIn(report).length,
    behind: behindIn(report).length,
    datacenters: report.statuses.map(({ datacenter, index, number, revision }) => {
      return { datacenter, index, number: number ?? null, revision: revision ?? null };
    }),
    processes: report.members,
    failures: report.failures,
  };
}

async function showFleet(report: FleetReport, io: CommandIo): Promise<void> {
  const { service, statuses, members } = report;
  for (const { datacenter, index, number, revision } of statuses) {
    const known = number === undefined ? `index ${index}` : `number ${number}, index ${index}`;
    const valid = revision === undefined ? 'not valid' : `revision ${revision}`;
    io.line(`${io.colors.bold(service)} in ${datacenter}: ${index === 0 ? 'no policy' : `${valid}, ${known}`}`);
  }
  io.line(`${followingIn(report).length} of ${members.length} follow`);
  if (members.length > 0) await showMembers(members, io);
}

export async function showMembers(members: readonly Member[], io: CommandIo): Promise<void> {
  const { green, red, yellow } = io.colors;
  const color = { follows: green, own: yellow, behind: red };
  await io.table(members, {
    process: ({ process }) => process,
    client: ({ client }) => client,
    datacenter: ({ datacenter }) => datacenter,
    number: ({ number }) => number,
    revision: ({ revision }) => revision,
    state: ({ state, reason }) => color[state](reason ?? state),
    seen: ({ reason, ageMs }) =>
      reason === 'unreachable' ? '' : ageMs < 1_000 ? 'now' : `${formatDuration(ageMs)} ago`,
    why: ({ why }) => why,
  });
}

/** The lines for standard error, most telling first. */
export function fleetNotes(report: FleetReport): readonly string[] {
  const { service, members } = report;
  const none = members.length === 0 ? [`nobody tells of ${service}: no process uses it, or none is looked at`] : [];
  return [...report.failures, ...none];
}

/** `fleet`. */
export async function showFleetOf(service: string, flags: ConsulFlags & FleetSources, io: CommandIo): Promise<void> {
  checkSources(flags);
  await withConsul({ ...flags, dc: flags.dc ?? 'all' }, io, async (connection) => {
    const report = await lookAtFleet(connection, service, await connection.datacenters(), flags);
    if ('failure' in report) throw new CommandError(2, report.failure, 'check --prometheus');
    if (!isFollowed(report)) io.exitCode = 1;
    io.json(fleetAsData(report));
    await showFleet(report, io);
    for (const note of fleetNotes(report)) io.note(note);
  });
}
