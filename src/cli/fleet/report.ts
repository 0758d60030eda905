import type { ConsulConnection } from '../consul/consul-connection';
import { shownUrl } from '../fetch-json';
import type { CommandIo } from '../io';
import { spellDuration } from '../spell-duration';
import { judge, type Member, type Sighting } from './member';
import { sightByPrometheus } from './prometheus';
import { readStandings, type Standing } from './standing';
import { sightByUrls } from './urls';

/** Who tells of the processes: one of them. */
export interface FleetSources {
  readonly prometheus?: URL;
  /** Of `graylane.adminHandler()`. */
  readonly url?: readonly URL[];
}

/** Who goes by which policy of a service, at one moment. */
export interface FleetReport {
  readonly service: string;
  readonly standings: readonly Standing[];
  readonly members: readonly Member[];
  /** Datacenters that did not say what they have. */
  readonly failures: readonly string[];
}

/**
 * Processes are looked at first, so that a policy written meanwhile makes them late and never more than up to date.
 * `failure`: the processes cannot be seen. Throws a CommandError when Consul does not answer.
 */
export async function lookAtFleet(
  connection: ConsulConnection,
  service: string,
  wanted: readonly (string | undefined)[],
  sources: FleetSources,
): Promise<FleetReport | { readonly failure: string }> {
  const sighted = await sight(sources, service);
  if ('failure' in sighted) return sighted;
  const { known, failures } = await readStandings(connection, service, wanted);
  const members = sighted.map((sighting) => judge(sighting, known)).filter((member) => member !== undefined);
  const order = { behind: 0, own: 1, follows: 2 };
  members.sort((a, b) => order[a.state] - order[b.state] || (a.process < b.process ? -1 : 1));
  return { service, standings: known.filter(({ isWanted }) => isWanted), members, failures };
}

async function sight(
  { prometheus, url = [] }: FleetSources,
  service: string,
): Promise<readonly Sighting[] | { readonly failure: string }> {
  if (prometheus === undefined) return sightByUrls(url, service);
  const sighted = await sightByPrometheus(prometheus, service);
  return 'failure' in sighted ? { failure: `Prometheus at ${shownUrl(prometheus)}: ${sighted.failure}` } : sighted;
}

export function behindIn({ members }: FleetReport): readonly Member[] {
  return members.filter(({ state }) => state === 'behind');
}

export function followingIn({ members }: FleetReport): readonly Member[] {
  return members.filter(({ state }) => state === 'follows');
}

/** Everybody who reads the policy has the newest, and there is somebody. */
export function isFollowed(report: FleetReport): boolean {
  return report.failures.length === 0 && behindIn(report).length === 0 && followingIn(report).length > 0;
}

export function fleetAsData(report: FleetReport): object {
  return {
    service: report.service,
    following: followingIn(report).length,
    behind: behindIn(report).length,
    datacenters: report.standings.map(({ datacenter, index, number, revision }) => {
      return { datacenter, index, number: number ?? null, revision: revision ?? null };
    }),
    processes: report.members,
    failures: report.failures,
  };
}

export async function showFleet(report: FleetReport, io: CommandIo): Promise<void> {
  const { service, standings, members } = report;
  for (const { datacenter, index, number, revision } of standings) {
    const known = number === undefined ? `index ${index}` : `number ${number}, index ${index}`;
    const what =
      index === 0 ? 'no policy' : `${revision === undefined ? 'not valid' : `revision ${revision}`}, ${known}`;
    io.line(`${io.colors.bold(service)} in ${datacenter}: ${what}`);
  }
  io.line(`${followingIn(report).length} of ${members.length} follow`);
  if (members.length > 0) await showMembers(members, io);
}

export async function showMembers(members: readonly Member[], io: CommandIo): Promise<void> {
  const { green, red, yellow } = io.colors;
  const color = { follows: green, own: yellow, behind: red };
  await io.table(
    ['process', 'client', 'datacenter', 'number', 'revision', 'state', 'seen', 'why'],
    members.map(({ process, client, datacenter, number, revision, state, reason, ageMs, why }) => [
      process,
      client ?? '',
      datacenter ?? '',
      number === undefined ? '' : String(number),
      revision,
      color[state](reason ?? state),
      reason === 'unreachable' ? '' : ageMs < 1_000 ? 'now' : `${spellDuration(ageMs)} ago`,
      why ?? '',
    ]),
  );
}

/** The lines for standard error, most telling first. */
export function fleetNotes(report: FleetReport): readonly string[] {
  const { service, members } = report;
  const none = members.length === 0 ? [`nobody tells of ${service}: no process uses it, or none is looked at`] : [];
  return [...report.failures, ...none];
}
