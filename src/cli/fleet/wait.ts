import { sleep } from '../../base/sleep';
import { CommandError } from '../command';
import type { ConsulConnection } from '../consul/consul-connection';
import type { CommandIo } from '../io';
import type { Member } from './member';
import {
  behindIn,
  type FleetReport,
  type FleetSources,
  fleetAsData,
  fleetNotes,
  followingIn,
  isFollowed,
  lookAtFleet,
  showMembers,
} from './report';

export interface WaitSettings extends FleetSources {
  readonly waitMs: number;
}

const LOOK_EVERY_MS = 250;

/**
 * Waits until every process follows the policy that these datacenters have now, for at most `waitMs`, or until it is
 * interrupted. Otherwise names the processes that do not and sets exit code 1. Resolves to the last report as data.
 */
export async function waitForFleet(
  service: string,
  datacenters: readonly (string | undefined)[],
  settings: WaitSettings,
  connection: ConsulConnection,
  io: CommandIo,
  json: boolean,
): Promise<object> {
  const started = performance.now();
  const { interrupted } = io;
  let looked: FleetReport | { readonly failure: string };
  for (;;) {
    looked = await look(service, datacenters, settings, connection);
    const tookMs = Math.round(performance.now() - started);
    const isDone = 'members' in looked && isFollowed(looked);
    if (isDone) return await showFollowed(looked as FleetReport, tookMs, io, json);
    const leftMs = settings.waitMs - tookMs;
    if (leftMs <= 0 || interrupted.aborted) return await showBehind(service, looked, tookMs, io, json);
    await sleep(Math.min(LOOK_EVERY_MS, leftMs));
  }
}

/** Consul may be unreachable for a moment after the write. */
async function look(
  service: string,
  datacenters: readonly (string | undefined)[],
  settings: WaitSettings,
  connection: ConsulConnection,
): Promise<FleetReport | { readonly failure: string }> {
  try {
    return await lookAtFleet(connection, service, datacenters, settings);
  } catch (error) {
    if (error instanceof CommandError) return { failure: error.message };
    throw error;
  }
}

async function showFollowed(report: FleetReport, waitedMs: number, io: CommandIo, json: boolean): Promise<object> {
  const following = followingIn(report).length;
  const others = report.members.filter(({ state }) => state === 'own');
  if (!json) {
    const processes = following === 1 ? '1 process' : `all ${following} processes`;
    io.line(`${io.colors.green('followed')} by ${processes} after ${seconds(waitedMs)}`);
  }
  for (const { process, why } of others) io.note(`${process} does not read it: ${why}`);
  return { ...fleetAsData(report), isFollowed: true, waitedMs };
}

async function showBehind(
  service: string,
  looked: FleetReport | { readonly failure: string },
  waitedMs: number,
  io: CommandIo,
  json: boolean,
): Promise<object> {
  io.exitCode = 1;
  const after = `after ${seconds(waitedMs)}`;
  if ('failure' in looked) {
    io.note(
      `graylane: written, but who follows is not known ${after}: ${looked.failure}; run graylane fleet ${service}`,
    );
    return { service, isFollowed: false, waitedMs, failure: looked.failure };
  }
  const behind = behindIn(looked);
  if (!json && behind.length > 0) await showMembers(behind, io);
  for (const note of fleetNotes(looked)) io.note(note);
  const who = behind.length === 0 ? 'nobody follows' : `${behind.length} of ${looked.members.length} do not follow`;
  const names = behind.length === 0 ? '' : `: ${behind.slice(0, 5).map(nameOf).join(', ')}`;
  const rest = behind.length > 5 ? ` and ${behind.length - 5} more` : '';
  io.note(`graylane: written, but ${after} ${who}${names}${rest}; run graylane fleet ${service} to see how it goes on`);
  return { ...fleetAsData(looked), isFollowed: false, waitedMs };
}

function nameOf({ process, reason }: Member): string {
  return `${process} (${reason})`;
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
