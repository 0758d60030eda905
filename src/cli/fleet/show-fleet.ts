import { CommandError } from '../command-error';
import { connectConsul } from '../consul/consul-connection';
import type { CommandIo } from '../io';
import type { FleetFlags } from './fleet';
import { fleetAsData, fleetNotes, isFollowed, lookAtFleet, showFleet } from './report';

export async function showFleetOf(service: string, flags: FleetFlags, io: CommandIo): Promise<void> {
  const connection = await connectConsul({ ...flags, dc: flags.dc ?? 'all' }, io);
  try {
    const report = await lookAtFleet(connection, service, await connection.datacenters(), flags);
    if ('failure' in report) throw new CommandError(2, report.failure, 'check --prometheus');
    if (!isFollowed(report)) io.exitCode = 1;
    if (flags.json === true) io.json(fleetAsData(report));
    else await showFleet(report, io);
    for (const note of fleetNotes(report)) io.note(note);
  } finally {
    connection.close();
  }
}
