import { sleep } from '../../base/sleep';
import { CommandError } from '../command';
import type { ConsulConnection } from '../consul/consul-connection';
import type { FleetSources } from '../flags';
import type { CommandIo } from '../io';
import { type FleetReport, fleetAsData, fleetNotes, lookAtFleet, showMembers } from './report';

interface WaitSettings extends FleetSources {
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
): Promise<object> {
  const started = performance.now();
  for (;;) {
    // Consul may be unreachable for a moment after the write.
    const looked = await lookAtFleet(connection, service, datacenters, settings).catch((error: unknown) => {
      if (error instanceof CommandError) return { failure: error.message };
      throw error;
    });
    const tookMs = Math.round(performance.now() - started);
    if ('members' in looked && looked.isFollowed) return showFollowed(looked, tookMs, io);
    const leftMs = settings.waitMs - tookMs;
    if (leftMs <= 0 || io.interrupted.aborted) return await showBehind(service, looked, tookMs, io);
    await sleep(Math.min(LOOK_EVERY_MS, leftMs));
  }
}

function showFollowed(report: FleetReport, waitedMs: number, io: CommandIo): object {
  const { following } = report;
  const processes = following === 1 ? '1 process' : `all ${following} processes`;
  io.line(`${io.colors.green('followed')} by ${processes} after ${seconds(waitedMs)}`);
  for (const { state, process, why } of report.members) {
    if (state === 'own') io.note(`${process} does not read it: ${why}`);
  }
  return { ...fleetAsData(report), isFollowed: true, waitedMs };
}

async function showBehind(
  service: string,
  looked: FleetReport | { readonly failure: string },
  waitedMs: number,
  io: CommandIo,
): Promise<object> {
  io.exitCode = 1;
  const after = `after ${seconds(waitedMs)}`;
  if ('failure' in looked) {
    const { failure } = looked;
    io.note(`graylane: written, but who follows is not known ${after}: ${failure}; run graylane fleet ${service}`);
    return { service, isFollowed: false, waitedMs, failure };
  }
  const { behind } = looked;
  if (behind.length > 0) await showMembers(behind, io);
  for (const note of fleetNotes(looked)) io.note(note);
  const who = behind.length === 0 ? 'nobody follows' : `${behind.length} of ${looked.members.length} do not follow`;
  const first = behind.slice(0, 5).map(({ process, reason }) => `${process} (${reason})`);
  const names = behind.length === 0 ? '' : `: ${first.join(', ')}`;
  const rest = behind.length > 5 ? ` and ${behind.length - 5} more` : '';
  io.note(`graylane: written, but ${after} ${who}${names}${rest}; run graylane fleet ${service} to see how it goes on`);
  return { ...fleetAsData(looked), isFollowed: false, waitedMs };
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
