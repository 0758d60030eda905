import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { defined } from '../../base/defined';
import { seededRandom } from '../../base/random';
import { usualCallers } from '../../ops/simulation/simulate';
import {
  type LanesOf,
  type SimulatedRoute,
  type SimulatedShare,
  Simulation,
  type SimulationReport,
} from '../../ops/simulation/simulation';
import { createSyntheticCalls } from '../../ops/simulation/synthetic-calls';
import { assumedLanes } from '../../policy/lanes/assumed-lanes';
import { membershipOf } from '../../policy/membership/membership';
import type { Snapshot } from '../../policy/membership/snapshot';
import type { RoutingInput } from '../../policy/routing/call';
import { parseCallRecord } from '../../policy/routing/call-record';
import { labelsOf } from '../../policy/routing/labels';
import { CommandError } from '../command';
import type { ConsulFlags } from '../consul/consul-connection';
import { describeCount } from '../describe';
import type { PolicySourceName } from '../flags';
import type { CommandIo } from '../io';
import { loadPolicy } from '../policy-files';
import { proveAgainst, readForeign } from './prove-file';

interface SimulateFlags extends ConsulFlags {
  readonly policy?: PolicySourceName;
  readonly against?: string;
  readonly calls?: number;
  readonly callers?: number;
  readonly from?: string;
  readonly caller?: string;
  readonly seed?: number;
}

const USUAL_CALLS = 100_000;

/** `simulate`. */
export async function simulateFile(file: string, flags: SimulateFlags, io: CommandIo): Promise<void> {
  const { from, caller, seed = 1 } = flags;
  if (from !== undefined && (flags.calls ?? flags.callers) !== undefined) {
    throw new CommandError(2, '--from: given with --calls or --callers (expected: one or the other)', 'leave one out');
  }
  const known = flags.policy === undefined ? undefined : await snapshotInConsul(file, flags, io);
  const plan = known?.plan ?? (await loadPolicy(file, io, undefined, caller)).plan;
  const lanesOf: LanesOf = (each) =>
    known === undefined ? assumedLanes(each) : membershipOf(each, known.instances).lanes;
  const foreign = flags.against === undefined ? undefined : await readForeign(flags.against);
  if (foreign !== undefined) {
    if (from !== undefined) throw new CommandError(2, '--from: with rules of another system (expected: --calls)');
    return proveAgainst(plan, foreign, { calls: flags.calls ?? USUAL_CALLS, seed }, io);
  }
  const other =
    flags.against === undefined ? undefined : (await loadPolicy(flags.against, io, plan.service, caller)).plan;
  const simulation = new Simulation(plan, other, seededRandom(seed), lanesOf);
  let skipped = 0;
  let unreached: readonly string[] = [];
  if (from !== undefined) {
    skipped = await readRecordedCalls(from, plan.service, (call) => simulation.add(call));
  } else {
    const calls = flags.calls ?? USUAL_CALLS;
    const random = seededRandom(seed + 1);
    const plans = other === undefined ? [plan] : [plan, other];
    const synthetic = createSyntheticCalls(plans, { random, callers: flags.callers ?? usualCallers(calls), lanesOf });
    unreached = [...new Set(synthetic.unreached.flat())];
    await feed(calls, () => simulation.add(synthetic.next()), io);
  }
  const report = simulation.report();
  if (report.calls === 0) {
    const message = `${from}: no call of ${plan.service} (expected: at least one)`;
    throw new CommandError(2, message, 'check the file, or use --calls');
  }
  if ((report.against?.stickyCallersLost ?? 0) > 0) io.exitCode = 1;
  const source = { from: from ?? 'synthetic', skipped, unreached };
  io.json({ ...report, source });
  if (!io.asJson) await showSimulation(report, source, io);
}

/** What a client of the service would decide by. */
async function snapshotInConsul(service: string, flags: SimulateFlags, io: CommandIo): Promise<Snapshot> {
  const { watchService } = await import('../consul/watched-service.js');
  const options = defined({ policy: flags.policy, serviceName: flags.caller });
  const watched = await watchService({ service, options }, flags, io);
  const { snapshot } = watched;
  await watched.close();
  return snapshot;
}

/** Works in slices, so that the progress bar moves and interrupts are handled. */
async function feed(calls: number, addNext: () => void, io: CommandIo): Promise<void> {
  const slice = 20_000;
  const progress = createProgress(calls, io);
  for (let made = 0; made < calls; ) {
    const end = Math.min(calls, made + slice);
    for (; made < end; made += 1) addNext();
    progress.reached(made);
    if (made < calls) await new Promise((resolve) => setImmediate(resolve));
  }
  progress.end();
}

/**
 * Reads recorded calls line by line and hands those of `service` on, with those that name none. Gives how many were of
 * other services. Throws a CommandError that names the line.
 */
async function readRecordedCalls(file: string, service: string, add: (call: RoutingInput) => void): Promise<number> {
  const input = file === '-' ? process.stdin : createReadStream(file);
  let line = 0;
  let skipped = 0;
  try {
    for await (const text of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
      line += 1;
      if (text.trim() === '') continue;
      const record = parseCallRecord(text);
      if (typeof record === 'string')
        throw new CommandError(2, `${file}:${line} ${record}`, 'correct or leave out this line');
      const { method, labels, stickyKey, force } = record;
      if (record.service !== undefined && record.service !== service) skipped += 1;
      else add({ method, labels: labelsOf(labels), stickyKey, force });
    }
  } catch (error) {
    if (!(error instanceof Error && 'code' in error)) throw error;
    throw new CommandError(2, `${file}: ${String(error.code)} (expected: a file that can be read)`, 'check its name');
  }
  return skipped;
}

const WIDTH = 40;
const SHOWN_AFTER_MS = 300;

/** A bar on a terminal, nothing anywhere else. `end()` takes it away. */
export function createProgress(
  of: number,
  io: Pick<CommandIo, 'canRedraw' | 'write'>,
): { reached(done: number): void; end(): void } {
  if (!io.canRedraw) return { reached() {}, end() {} };
  const started = performance.now();
  let shown = -1;
  return {
    reached(done) {
      const filled = Math.floor((done / of) * WIDTH);
      if (filled === shown || performance.now() - started < SHOWN_AFTER_MS) return;
      shown = filled;
      io.write(`\r${'█'.repeat(filled)}${'░'.repeat(WIDTH - filled)} ${Math.floor((done / of) * 100)} %`);
    },
    end() {
      if (shown >= 0) io.write(`\r${' '.repeat(WIDTH + 6)}\r`);
    },
  };
}

interface SimulationSource {
  /** A file, or `synthetic`. */
  readonly from: string;
  /** Recorded calls of other services. */
  readonly skipped: number;
  /** Routes for which no call could be made up. */
  readonly unreached: readonly string[];
}

async function showSimulation(report: SimulationReport, source: SimulationSource, io: CommandIo): Promise<void> {
  const { against } = report;
  const origin = source.from === 'synthetic' ? 'made up: half ordinary, the rest spread over the routes' : source.from;
  io.line(`${io.colors.bold(report.service)}  ${describeCount(report.calls)} calls (${origin})`);
  const isMadeUp = source.from === 'synthetic';
  await showReport(report, isMadeUp, io);
  if (against !== undefined) {
    io.line();
    await showReport(against, isMadeUp, io);
    await showMoves(report.stickyCallers, against, io);
  }
  if (source.skipped > 0) io.note(`${source.skipped} calls of other services left out`);
  for (const route of source.unreached) {
    io.note(`route ${route}: no call could be made up that it matches; use --from with recorded ones`);
  }
}

type Shown = Pick<SimulationReport, 'revision' | 'subsets' | 'routes'>;

/**
 * The shares of all calls come first where calls are real. Made-up calls are spread over the routes, so of them only the
 * shares within a route say what the policy does.
 */
async function showReport({ revision, subsets, routes }: Shown, isMadeUp: boolean, io: CommandIo): Promise<void> {
  io.line(`revision ${revision}`);
  if (!isMadeUp) showShares(subsets, io);
  await showRoutes(routes, io);
  if (!isMadeUp) return;
  io.line('made-up calls of all routes together; how many calls a route gets, only recorded ones tell (--from):');
  showShares(subsets, io);
}

function showShares(subsets: readonly SimulatedShare[], io: CommandIo): void {
  const name = Math.max(...subsets.map(({ subset }) => subset.length));
  const width = Math.max(10, Math.min(50, io.columns - name - 16));
  for (const { subset, percent } of subsets) {
    const filled = Math.round((percent / 100) * width);
    // A share above 0 gets at least one block.
    const bar = '█'.repeat(percent > 0 ? Math.max(1, filled) : 0).padEnd(width, '·');
    io.line(`  ${subset.padEnd(name)}  ${io.colors.cyan(bar)} ${percent.toFixed(2).padStart(6)} %`);
  }
}

async function showRoutes(routes: readonly SimulatedRoute[], io: CommandIo): Promise<void> {
  const rows = routes.flatMap((route) => route.subsets.map((share, at) => ({ ...route, share, isFirst: at === 0 })));
  await io.table(rows, {
    route: ({ isFirst, route }) => (isFirst ? route : ''),
    calls: ({ isFirst, calls }) => (isFirst ? describeCount(calls) : ''),
    'of all': ({ isFirst, percent }) => (isFirst ? `${percent.toFixed(2)} %` : ''),
    subset: ({ share }) => share.subset,
    observed: ({ share }) => `${share.percent.toFixed(2)} %`,
    weighed: ({ share: { weighed } }) => (weighed === undefined ? '' : `${weighed} %`),
  });
}

async function showMoves(
  stickyCallers: number,
  { moved, moves, stickyCallersLost }: NonNullable<SimulationReport['against']>,
  io: CommandIo,
): Promise<void> {
  io.line();
  io.line(
    `${describeCount(moved.calls)} calls move (${moved.percent} %), ${describeCount(moved.stickyCallers)} of ${describeCount(stickyCallers)} sticky callers`,
  );
  if (moves.length > 0) {
    await io.table(moves, {
      from: ({ from }) => from.subset,
      '': ({ from }) => `by ${from.route}`,
      to: ({ to }) => to.subset,
      ' ': ({ to }) => `by ${to.route}`,
      calls: ({ calls }) => describeCount(calls),
      'sticky callers': (move) => describeCount(move.stickyCallers),
    });
  }
  const lost = `${describeCount(stickyCallersLost)} sticky callers lost`;
  if (stickyCallersLost === 0) io.line(io.colors.green(lost));
  else {
    const hint =
      'they leave subsets whose share did not shrink; keep name, base and stickBy, or give stickySalt the old name';
    io.line(`${io.colors.red(lost)}: ${hint}`);
  }
}
