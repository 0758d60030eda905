import { CommandError } from '../command';
import { shownUrl } from '../fetch-json';
import { checkSources, type FleetSources } from '../flags';
import { type CommandIo, fields } from '../io';
import { liveScreen } from '../live-screen';
import { type TopReport, topByPrometheus, topByUrls } from './sources';

/** `top`. */
export async function showTop(service: string | undefined, flags: FleetSources, io: CommandIo): Promise<void> {
  checkSources(flags);
  await liveScreen(async (screen) => draw(await look(service, flags), service, screen), io);
}

async function look(service: string | undefined, { prometheus, url = [] }: FleetSources): Promise<TopReport> {
  if (prometheus === undefined) return topByUrls(url, service);
  const report = await topByPrometheus(prometheus, service);
  if (!('failure' in report)) return report;
  throw new CommandError(2, `Prometheus at ${shownUrl(prometheus)}: ${report.failure}`, 'check --prometheus');
}

async function draw(report: TopReport, service: string | undefined, io: CommandIo): Promise<void> {
  const { red, bold } = io.colors;
  const { rows, failures } = report;
  if (failures.length > 0 || rows.length === 0) io.exitCode = 1;
  io.json(report);
  if (io.asJson) return;
  await io.table(rows, {
    service: (row) => (row.subset === '' ? bold(row.service) : row.service),
    ...fields('subset', 'processes', 'endpoints'),
    'in flight': (row) => row.inFlight,
    'per second': (row) => row.perSecond?.toFixed(1),
    failed: ({ failed }) => (failed === undefined ? '' : failed > 0 ? red(`${failed.toFixed(1)} %`) : '0 %'),
    'breakers open': ({ open }) => (open > 0 ? red(String(open)) : '0'),
  });
  for (const failure of failures) io.note(failure);
  if (rows.length === 0)
    io.note(`nobody tells of ${service ?? 'any service'}: no process uses it, or none is looked at`);
}
