import { CommandError } from '../command-error';
import { shownUrl } from '../fetch-json';
import type { CommandIo } from '../io';
import { liveScreen } from '../live-screen';
import { topByPrometheus, topByUrls } from './sources';
import type { TopFlags } from './top';

/** A subset of a service, over all processes. Undefined: the source does not tell. */
export interface TopRow {
  readonly service: string;
  /** Empty: of the service as a whole. */
  readonly subset: string;
  readonly processes: number | undefined;
  readonly endpoints: number | undefined;
  readonly inFlight: number | undefined;
  /** Of calls where the row is of a service asked by `--url`, else of attempts. */
  readonly perSecond: number | undefined;
  /** Of attempts, in percent. */
  readonly failed: number | undefined;
  /** Breakers that are not closed, of endpoints and of the subset. */
  readonly open: number;
}

export interface TopReport {
  readonly rows: readonly TopRow[];
  /** Processes that did not answer, each as a sentence. */
  readonly failures: readonly string[];
}

export async function showTop(service: string | undefined, flags: TopFlags, io: CommandIo): Promise<void> {
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
