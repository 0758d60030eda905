import { CommandError } from '../command';
import { type ConsulConnection, type ConsulFlags, withConsul } from '../consul/consul-connection';
import { byText, formatDuration } from '../describe';
import { shownUrl } from '../fetch-json';
import { checkSources, type FleetSources } from '../flags';
import { type CommandIo, fields } from '../io';
import { clientsFromPrometheus, clientsFromUrls } from './clients';
import { judge, type Member, type PolicyStatus, readPolicyStatuses } from './member';

/** The policies that the processes of a service follow, at one moment. */
export interface FleetReport {
  readonly service: string;
  readonly statuses: readonly PolicyStatus[];
  readonly members: readonly Member[];
  readonly behind: readonly Member[];
  /** How many follow. */
  readonly following: number;
  /** Every process that reads the policy has the newest, and there is at least one. */
  readonly isFollowed: boolean;
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
  { prometheus, url = [] }: FleetSources,
): Promise<FleetReport | { readonly failure: string }> {
  const asked = prometheus === undefined ? clientsFromUrls(url, service) : clientsFromPrometheus(prometheus, service);
  const clients = await asked;
  if ('failure' in clients) {
    return { failure: `Prometheus at ${prometheus === undefined ? '' : shownUrl(prometheus)}: ${clients.failure}` };
  }
  const { known, failures } = await readPolicyStatuses(connection, service, wanted);
  const members = clients.flatMap((client) => judge(client, known) ?? []);
  const order = { behind: 0, candidate: 1, own: 2, follows: 3 };
  members.sort((a, b) => order[a.state] - order[b.state] || byText(a.process, b.process));
  const behind = members.filter(({ state }) => state === 'behind');
  const following = members.filter(({ state }) => state === 'follows').length;
  const isOnWay = members.some(({ state }) => state === 'candidate');
  const isFollowed = failures.length === 0 && behind.length === 0 && !isOnWay && following > 0;
  const statuses = known.filter(({ isWanted }) => isWanted);
  return { service, statuses, members, behind, following, isFollowed, failures };
}

export function fleetAsData({ service, statuses, members, behind, following, failures }: FleetReport): object {
  const datacenters = statuses.map(({ datacenter, index, number = null, revision = null, candidate = null }) => {
    return { datacenter, index, number, revision, candidate };
  });
  const candidates = members.filter(({ state }) => state === 'candidate').length;
  return { service, following, candidates, behind: behind.length, datacenters, processes: members, failures };
}

async function showFleet({ service, statuses, members, following }: FleetReport, io: CommandIo): Promise<void> {
  for (const { datacenter, index, number, revision, candidate } of statuses) {
    const known = number === undefined ? `index ${index}` : `number ${number}, index ${index}`;
    const valid = revision === undefined ? 'not valid' : `revision ${revision}`;
    io.line(`${io.colors.bold(service)} in ${datacenter}: ${index === 0 ? 'no policy' : `${valid}, ${known}`}`);
    if (candidate === undefined) continue;
    const { revision: next, percent, by } = candidate;
    io.line(`by degrees in ${datacenter}: revision ${next} in ${percent} % of the clients, by ${by}`);
  }
  const candidates = members.filter(({ state }) => state === 'candidate').length;
  const first = candidates === 0 ? '' : `, ${candidates} of them the policy that comes by degrees`;
  io.line(`${following + candidates} of ${members.length} follow${first}`);
  if (members.length > 0) await showMembers(members, io);
}

export async function showMembers(members: readonly Member[], io: CommandIo): Promise<void> {
  const { green, red, yellow } = io.colors;
  const color = { follows: green, candidate: yellow, own: yellow, behind: red };
  await io.table(members, {
    ...fields('process', 'client', 'datacenter', 'number', 'revision'),
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
    if (!report.isFollowed) io.exitCode = 1;
    io.json(fleetAsData(report));
    await showFleet(report, io);
    for (const note of fleetNotes(report)) io.note(note);
  });
}
