import type { SimulatedRoute, SimulatedShare, SimulationReport } from '../../ops/simulation/simulation';
import type { CommandIo } from '../io';

export interface SimulationSource {
  /** A file, or `synthetic`. */
  readonly from: string;
  /** Recorded calls of other services. */
  readonly skipped: number;
  /** Routes for which no call could be made up. */
  readonly unreached: readonly string[];
}

export async function showSimulation(report: SimulationReport, source: SimulationSource, io: CommandIo): Promise<void> {
  const { against } = report;
  const origin = source.from === 'synthetic' ? 'made up: half ordinary, the rest spread over the routes' : source.from;
  io.line(`${io.colors.bold(report.service)}  ${count(report.calls)} calls (${origin})`);
  showShares(report.revision, report.subsets, io);
  await showRoutes(report.routes, io);
  if (against !== undefined) {
    io.line();
    showShares(against.revision, against.subsets, io);
    await showRoutes(against.routes, io);
    await showMoves(report.stickyCallers, against, io);
  }
  if (source.skipped > 0) io.note(`${source.skipped} calls of other services left out`);
  for (const route of source.unreached) {
    io.note(`route ${route}: no call could be made up that it matches; use --from with recorded ones`);
  }
}

function showShares(revision: string, subsets: readonly SimulatedShare[], io: CommandIo): void {
  io.line(`revision ${revision}`);
  const name = Math.max(...subsets.map(({ subset }) => subset.length));
  const width = Math.max(10, Math.min(50, io.columns - name - 16));
  for (const { subset, percent } of subsets) {
    const filled = Math.round((percent / 100) * width);
    // What is there shows, however little it is.
    const bar = '█'.repeat(percent > 0 ? Math.max(1, filled) : 0).padEnd(width, '·');
    io.line(`  ${subset.padEnd(name)}  ${io.colors.cyan(bar)} ${percent.toFixed(2).padStart(6)} %`);
  }
}

async function showRoutes(routes: readonly SimulatedRoute[], io: CommandIo): Promise<void> {
  const rows = routes.flatMap(({ route, calls, percent, subsets }) =>
    subsets.map(({ subset, percent: share, weighed }, at) => [
      ...(at === 0 ? [route, count(calls), `${percent.toFixed(2)} %`] : ['', '', '']),
      subset,
      `${share.toFixed(2)} %`,
      weighed === undefined ? '' : `${weighed} %`,
    ]),
  );
  await io.table(['route', 'calls', 'of all', 'subset', 'observed', 'weighed'], rows);
}

async function showMoves(
  stickyCallers: number,
  { moved, moves, stickyCallersLost }: NonNullable<SimulationReport['against']>,
  io: CommandIo,
): Promise<void> {
  io.line();
  io.line(
    `${count(moved.calls)} calls move (${moved.percent} %), ${count(moved.stickyCallers)} of ${count(stickyCallers)} sticky callers`,
  );
  if (moves.length > 0) {
    await io.table(
      ['from', '', 'to', '', 'calls', 'sticky callers'],
      moves.map(({ from, to, calls, stickyCallers: callers }) => [
        from.subset,
        `by ${from.route}`,
        to.subset,
        `by ${to.route}`,
        count(calls),
        count(callers),
      ]),
    );
  }
  const lost = `${count(stickyCallersLost)} sticky callers lost`;
  if (stickyCallersLost === 0) io.line(io.colors.green(lost));
  else {
    const hint =
      'they leave subsets whose share did not shrink; keep name, base and stickBy, or give stickySalt the old name';
    io.line(`${io.colors.red(lost)}: ${hint}`);
  }
}

function count(value: number): string {
  return value.toLocaleString('en');
}
