import { hostname } from 'node:os';
import { systemClock } from '../../base/clock';
import { defined } from '../../base/defined';
import { systemRandom } from '../../base/random';
import type { ReportPort, ReportPortOptions } from '../../ops/rollout/collector/collecting';
import { type ControllerOptions, type ControllerWatch, runController, runRollout } from '../../ops/rollout/controller';
import { openLease, SESSION_TTL_SECONDS } from '../../ops/rollout/lease';
import type { RolloutRecord, Transition } from '../../ops/rollout/record';
import type { RecordWatch } from '../../ops/rollout/record-store';
import { watchRollout } from '../../ops/rollout/store';
import { CommandError } from '../command';
import type { ConsulFlags } from '../consul/consul-connection';
import { noRollout, type StoreSession, withStore } from '../consul/store-session';
import type { CommandIo } from '../io';
import {
  type ControllerSetUp,
  checkListen,
  createRolloutContext,
  hasConsole,
  type ListenFlags,
  listenForReports,
  readControllerFile,
} from './controller-setup';
import { leadWaves } from './lead-waves';
import { describePlace } from './rollout-view';

interface RunFlags extends ConsulFlags, ListenFlags {
  readonly once?: boolean;
  readonly sessionTtl?: number;
  readonly config?: string;
}

/** `rollout run`. */
export async function runFromFlags(services: readonly string[], flags: RunFlags, io: CommandIo): Promise<void> {
  const ttlSeconds = flags.sessionTtl ?? SESSION_TTL_SECONDS.default;
  const { min, max } = SESSION_TTL_SECONDS;
  if (ttlSeconds < min || ttlSeconds > max) {
    throw new CommandError(2, `--session-ttl: ${ttlSeconds} (expected: ${min} to ${max} seconds)`, 'leave it out');
  }
  const [only] = services;
  if (flags.once === true && (only === undefined || services.length > 1)) {
    throw new CommandError(2, `--once: ${services.length} services (expected: one)`, 'name the service');
  }
  checkListen(flags);
  const config = await readControllerFile(flags.config, io);
  await withStore(flags, io, async (session) => {
    checkDatacenters(flags, session.datacenters);
    const setUp = {
      ttlSeconds,
      config,
      name: `${await session.author()} (pid ${process.pid} on ${hostname()})`,
    };
    if (io.interrupted.aborted) return;
    const port = await listenForReports(flags, io, await consoleOf(flags, io));
    try {
      const leading = session.datacenters.map((datacenter) =>
        withController(session, datacenter, { ...setUp, port }, io, async (options) => {
          if (flags.once === true && only !== undefined) {
            finish(only, await runRollout(only, options, true), io);
          } else if (services.length === 0) await runController(options);
          else await Promise.all(services.map((service) => runRollout(service, options, false)));
        }),
      );
      const isOfOneElsewhere = session.datacenters.length === 1 && session.datacenters[0] !== undefined;
      if (services.length === 0 && !isOfOneElsewhere) leading.push(leadWaves(session, setUp, io));
      await Promise.all(leading);
    } finally {
      await port?.close();
    }
  });
}

/** Throws a CommandError for a flag that is of one datacenter. */
function checkDatacenters({ once }: RunFlags, { length }: StoreSession['datacenters']): void {
  if (once !== true || length === 1) return;
  throw new CommandError(2, `--once: with ${length} datacenters (expected: one)`, 'run one for each');
}

/** Runs `work` with a session of the datacenter, which ends with it. */
async function withController(
  session: StoreSession,
  datacenter: string | undefined,
  { ttlSeconds, config, name, port }: ControllerSetUp & { readonly port: ReportPort | undefined },
  io: CommandIo,
  work: (options: ControllerOptions) => Promise<void>,
): Promise<void> {
  const { connection, policies } = session;
  const { client } = connection;
  const { env, interrupted: signal } = io;
  const lease = openLease({ client, name: 'graylane rollout', ttlSeconds, datacenter });
  const collecting = port?.collect({ client, lease, datacenter });
  try {
    const stores = { connection, policies, rollouts: session.rolloutsIn(datacenter) };
    const deps = createRolloutContext(stores, { name, env, signal, config, collecting });
    const printed = printing(datacenter, io);
    const listen = (service: string, onChange: () => void): RecordWatch =>
      watchRollout(service, onChange, { client, clock: systemClock, random: systemRandom }, datacenter);
    await work({ deps, lease, watch: collecting?.watch(printed) ?? printed, listen, signal });
  } finally {
    await collecting?.close();
    await lease.close();
  }
}

/** Loaded only where it is asked for. */
async function consoleOf(flags: ListenFlags & ConsulFlags, io: CommandIo): Promise<ReportPortOptions['others']> {
  if (!hasConsole(flags)) return undefined;
  const { consoleHandler } = await import('../console/run-console.js');
  const { consul, tokenFile, consoleHost: allowHost, consoleReadOnly: readOnly } = flags;
  const { consolePrometheus: prometheus, consoleUrl: url } = flags;
  return consoleHandler(defined({ consul, tokenFile, allowHost, readOnly, prometheus, url }), io);
}

function finish(service: string, record: RolloutRecord | undefined, io: CommandIo): void {
  if (io.interrupted.aborted) {
    io.note(`graylane: interrupted; the rollout of ${service} goes on with the next controller`);
    io.exitCode = 1;
    return;
  }
  if (record === undefined) throw noRollout(service);
  if (record.progress.state.kind === 'aborted') io.exitCode = 3;
}

/** Prints each transition as a line. Messages about this controller go to standard error. */
function printing(datacenter: string | undefined, io: CommandIo): ControllerWatch {
  const nameOf = (service: string): string => (datacenter === undefined ? service : `${service} in ${datacenter}`);
  const printed = new Map<string, number>();
  return {
    onRecord(service, { progress, transitions }) {
      const key = `${service} ${progress.id}`;
      const from = printed.get(key);
      printed.set(key, transitions.at(-1)?.number ?? 0);
      const at = io.colors.dim(new Date().toISOString());
      if (from === undefined)
        io.line(`${at} ${io.colors.bold(nameOf(service))} ${progress.id}: ${describePlace(progress)}`);
      for (const each of transitions) {
        // What was there before this controller looked is in the history.
        if (from === undefined || each.number <= from) continue;
        io.jsonLine({ service, ...defined({ datacenter }), rollout: progress.id, ...each });
        io.line(describe(nameOf(service), each, progress.document.steps.length, io));
      }
    },
    onRole(service, role, holder) {
      if (role === 'leader') io.note(`graylane: ${nameOf(service)}: this controller drives the rollout`);
      else io.note(`graylane: ${nameOf(service)}: ${holder} drives the rollout; this controller stands by`);
    },
    onProblem(service, problem) {
      const about = nameOf(service === '*' ? 'rollouts' : service);
      if (problem === undefined) io.note(`graylane: ${about}: goes on`);
      else io.note(`graylane: ${about}: nothing moves: ${problem}; goes on trying`);
    },
  };
}

function describe(service: string, transition: Transition, steps: number, { colors }: CommandIo): string {
  const { at, event, step, weight, message, policy } = transition;
  const bad = event === 'rollback' || event === 'aborted';
  const color = bad ? colors.red : event === 'completed' ? colors.green : colors.cyan;
  const number = policy === undefined ? '' : `  policy number ${policy}`;
  const said = message === '' ? '' : `  ${message}`;
  const place = step < steps ? `step ${step + 1}` : 'all steps';
  return `${colors.dim(at)} ${service} ${place} ${color(event.padEnd(10))} ${weight} %${said}${number}`;
}
