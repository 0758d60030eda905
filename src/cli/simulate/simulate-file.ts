import { systemClock } from '../../base/clock';
import { seededRandom } from '../../base/random';
import { usualCallers } from '../../ops/simulation/simulate';
import { createSimulation } from '../../ops/simulation/simulation';
import { createSyntheticCalls } from '../../ops/simulation/synthetic-calls';
import type { Plan } from '../../policy/plan';
import type { RoutingInput } from '../../policy/routing/call';
import { CommandError } from '../command-error';
import type { ConsulFlags } from '../consul/consul-connection';
import { loadPolicy } from '../input/load-policy';
import type { PolicySourceName } from '../input/policy-source';
import type { CommandIo } from '../io';
import { createProgress } from './progress';
import { readRecordedCalls } from './recorded-calls';
import { showSimulation } from './show-simulation';

export interface SimulateFlags extends ConsulFlags {
  readonly policy?: PolicySourceName;
  readonly against?: string;
  readonly calls?: number;
  readonly callers?: number;
  readonly from?: string;
  readonly seed?: number;
  readonly json?: boolean;
}

const USUAL_CALLS = 100_000;

export async function simulateFile(file: string, flags: SimulateFlags, io: CommandIo): Promise<void> {
  const { from, seed = 1 } = flags;
  if (from !== undefined && (flags.calls ?? flags.callers) !== undefined) {
    throw new CommandError(2, '--from: given with --calls or --callers (expected: one or the other)', 'leave one out');
  }
  const plan = flags.policy === undefined ? (await loadPolicy(file, io)).plan : await planInConsul(file, flags, io);
  const other = flags.against === undefined ? undefined : (await loadPolicy(flags.against, io, plan.service)).plan;
  const simulation = createSimulation({
    plan,
    random: seededRandom(seed),
    clock: systemClock,
    ...(other === undefined ? {} : { against: other }),
  });
  let skipped = 0;
  let unreached: readonly string[] = [];
  if (from !== undefined) {
    skipped = await readRecordedCalls(from, plan.service, (call) => simulation.add(call));
  } else {
    const calls = flags.calls ?? USUAL_CALLS;
    const random = seededRandom(seed + 1);
    const plans = other === undefined ? [plan] : [plan, other];
    const synthetic = createSyntheticCalls(plans, { random, callers: flags.callers ?? usualCallers(calls) });
    unreached = [...new Set(synthetic.unreached.flat())];
    await feed(
      calls,
      () => synthetic.next(),
      (call) => simulation.add(call),
      io,
    );
  }
  const report = simulation.report();
  if (report.calls === 0) {
    throw new CommandError(
      2,
      `${from}: no call of ${plan.service} (expected: at least one)`,
      'check the file, or use --calls',
    );
  }
  if ((report.against?.stickyCallersLost ?? 0) > 0) io.exitCode = 1;
  const source = { from: from ?? 'synthetic', skipped, unreached };
  if (flags.json === true) io.json({ ...report, source });
  else await showSimulation(report, source, io);
}

/** The plan that a client of the service would decide by. */
async function planInConsul(service: string, flags: SimulateFlags, io: CommandIo): Promise<Plan> {
  const { watchService } = await import('../consul/watched-service.js');
  const { policy } = flags;
  const watched = await watchService({ service, options: policy === undefined ? {} : { policy } }, flags, io);
  const { plan } = watched.snapshot;
  await watched.close();
  return plan;
}

/** In slices, so that the bar moves and an interrupt is heard. */
async function feed(
  calls: number,
  next: () => RoutingInput,
  add: (call: RoutingInput) => void,
  io: CommandIo,
): Promise<void> {
  const slice = 20_000;
  const progress = createProgress(calls, io);
  for (let made = 0; made < calls; ) {
    const end = Math.min(calls, made + slice);
    for (; made < end; made += 1) add(next());
    progress.reached(made);
    if (made < calls) await new Promise((resolve) => setImmediate(resolve));
  }
  progress.end();
}
