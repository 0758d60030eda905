import type { Command } from 'commander';
import { CommandError, defineCommand } from '../command';
import { shownUrl } from '../fetch-json';
import { parseService } from '../flags';
import { checkSources, withFleetSources } from '../fleet/fleet';
import type { FleetSources } from '../fleet/report';
import type { CommandIo } from '../io';
import { liveScreen } from '../live-screen';
import type { TopReport } from './sources';

interface TopFlags extends FleetSources {
  readonly json?: boolean;
}

export function topCommand(io: CommandIo): Command {
  const command = defineCommand('top', {
    summary: 'show calls, failures and breakers of all processes, live',
    description:
      'Adds up what the processes of a fleet tell of their services: by subset the endpoints, calls under way, attempts that ' +
      'failed and breakers that are not closed. Processes are found as graylane fleet finds them. Drawn anew each second on a ' +
      'terminal until q; once in a pipe.',
    examples: [
      ['graylane top --prometheus http://prometheus:9090', 'all that Prometheus scrapes, over the last minute'],
      ['graylane top payments --url http://10.0.0.7:9465 --url http://10.0.0.8:9465', 'one service in these two'],
    ],
  });
  return withFleetSources(command)
    .argument('[service]', 'only this one', parseService)
    .action(async (service: string | undefined, flags: TopFlags) => {
      checkSources(flags);
      await showTop(service, flags, io);
    });
}

async function showTop(service: string | undefined, flags: TopFlags, io: CommandIo): Promise<void> {
  const { topByPrometheus, topByUrls } = await import('./sources.js');
  const { prometheus, url = [] } = flags;
  const look = async (): Promise<TopReport> => {
    if (prometheus === undefined) return topByUrls(url, service);
    const report = await topByPrometheus(prometheus, service);
    if ('failure' in report) {
      throw new CommandError(2, `Prometheus at ${shownUrl(prometheus)}: ${report.failure}`, 'check --prometheus');
    }
    return report;
  };
  if (flags.json === true) {
    const report = await look();
    if (report.failures.length > 0 || report.rows.length === 0) io.exitCode = 1;
    io.json(report);
    return;
  }
  await liveScreen(async (screen) => draw(await look(), service, screen), io);
}

async function draw({ rows, failures }: TopReport, service: string | undefined, io: CommandIo): Promise<void> {
  const { red, bold } = io.colors;
  await io.table(
    ['service', 'subset', 'processes', 'endpoints', 'in flight', 'per second', 'failed', 'breakers open'],
    rows.map((row) => [
      row.subset === '' ? bold(row.service) : row.service,
      row.subset,
      whole(row.processes),
      whole(row.endpoints),
      whole(row.inFlight),
      row.perSecond === undefined ? '' : row.perSecond.toFixed(1),
      row.failed === undefined ? '' : row.failed > 0 ? red(`${row.failed.toFixed(1)} %`) : '0 %',
      row.open > 0 ? red(String(row.open)) : '0',
    ]),
  );
  if (failures.length > 0 || rows.length === 0) io.exitCode = 1;
  for (const failure of failures) io.note(failure);
  if (rows.length === 0)
    io.note(`nobody tells of ${service ?? 'any service'}: no process uses it, or none is looked at`);
}

function whole(value: number | undefined): string {
  return value === undefined ? '' : String(value);
}
