import { defined } from '../../base/defined';
import { measureRollout } from '../../ops/rollout/analysis/measure-rollout';
import { type MeasureCalls, MeasureError } from '../../ops/rollout/analysis/subset-metrics';
import { isJudgedByClients, needsCallMetrics } from '../../ops/rollout/collector/announcer';
import {
  type Collecting,
  openReportPort,
  type ReportPort,
  type ReportPortOptions,
} from '../../ops/rollout/collector/collecting';
import { type ControllerConfig, NO_CONFIG } from '../../ops/rollout/config/controller-config';
import { parseControllerConfig } from '../../ops/rollout/config/parse-controller-config';
import { createDeployer } from '../../ops/rollout/deployment/nomad';
import { createGateKeeper } from '../../ops/rollout/gates/ask-gate';
import { notify } from '../../ops/rollout/notify';
import type { RolloutContext } from '../../ops/rollout/reconcile';
import { CommandError, codeOf } from '../command';
import { capacityIn } from '../consul/capacity';
import type { StoreSession } from '../consul/store-session';
import { counted } from '../describe';
import { type ListenAddress, MAX_LOAD_FACTOR } from '../flags';
import type { CommandIo } from '../io';
import { formatOf, noteProblems, readBytes } from '../policy-files';

/** What controllers of all datacenters have in common. */
export interface ControllerSetUp {
  readonly ttlSeconds: number;
  readonly config: ControllerConfig;
  /** Of the controller, for the history. */
  readonly name: string;
}

interface ContextSettings {
  /** Name of the controller, for the history. */
  readonly name: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** What the names in a rollout stand for. */
  readonly config: ControllerConfig;
  /** Ends a measurement that is under way. */
  readonly signal?: AbortSignal;
  /** The collector of clients' reports. Undefined when this controller does not listen. */
  readonly collecting?: Pick<Collecting, 'measure'> | undefined;
}

/** Used for a rollout without a provider when clients cannot report here. */
const NO_CLIENTS: MeasureCalls = async () => {
  throw new MeasureError(
    'no figures: the rollout names no provider, and clients cannot report to this controller (expected: analysis.provider, or graylane rollout run --listen)',
  );
};

/** The context of a controller, with the capacity check of `policy apply`. */
export function createRolloutContext(
  { connection, policies, rollouts }: Pick<StoreSession, 'connection' | 'policies' | 'rollouts'>,
  { name, env, config, signal, collecting }: ContextSettings,
): RolloutContext {
  return {
    policies,
    rollouts,
    name,
    now: Date.now,
    async overloads(stored, { maxLoadFactor = MAX_LOAD_FACTOR }, after, before) {
      const judge = capacityIn(connection, stored, maxLoadFactor, 'maxLoadFactor');
      const { overloads, empties } = await judge(before, after);
      return [...overloads, ...empties.map(({ text }) => text)];
    },
    measure: (progress, wanted) => {
      const request = signal === undefined ? wanted : { ...wanted, signal };
      const isOwn = isJudgedByClients(progress) && needsCallMetrics(progress);
      const clients: MeasureCalls = (asked) => collecting?.measure(progress, asked) ?? NO_CLIENTS(asked);
      return measureRollout(progress.document, request, { config, env, ...(isOwn ? { clients } : {}) });
    },
    notify: (hooks, message) => notify(hooks, message, { config, env }),
    askGate: createGateKeeper({ config, env }, signal).ask,
    askDeployment: createDeployer({ config, env }, Date.now).ask,
  };
}

/**
 * Reads the file of `--config`. Without a file, reports of clients are the only provider. Throws a CommandError for an
 * invalid file, after every problem was shown with its place.
 */
export async function readControllerFile(file: string | undefined, io: CommandIo): Promise<ControllerConfig> {
  if (file === undefined) return NO_CONFIG;
  const { config, problems } = parseControllerConfig(await readBytes(file), formatOf(file));
  if (config !== undefined) return config;
  noteProblems(file, problems, 'error', io);
  const count = counted(problems.length, 'problem');
  throw new CommandError(2, `--config: ${file}: refused, ${count}`, 'mend it and start again');
}

export interface ListenFlags {
  readonly listen?: ListenAddress;
  readonly advertise?: string;
  /** The pages and the API of `graylane console` on the same port. */
  readonly console?: boolean;
  readonly consoleReadOnly?: boolean;
  readonly consoleHost?: readonly string[];
  readonly consolePrometheus?: URL;
  readonly consoleUrl?: readonly URL[];
}

/** Throws a CommandError for flags that do not go together. */
export function checkListen({ listen, advertise, ...flags }: ListenFlags): void {
  if (listen === undefined && hasConsole(flags)) {
    throw new CommandError(2, '--console: given without --listen (expected: both)', 'add --listen 127.0.0.1:9464');
  }
  if (listen === undefined && advertise !== undefined) {
    throw new CommandError(2, '--advertise: given without --listen (expected: both)', 'add --listen 0.0.0.0:9464');
  }
  if (flags.consolePrometheus !== undefined && flags.consoleUrl !== undefined) {
    throw new CommandError(2, '--console-prometheus: given with --console-url (expected: one of them)');
  }
  // Other processes cannot connect to a host that means every interface.
  if (listen !== undefined && /^(?:0\.0\.0\.0|[0:]+)$/.test(listen.host) && advertise === undefined) {
    const message = `--listen: ${listen.host} is every address (expected: with it, --advertise and the one that clients reach)`;
    throw new CommandError(2, message, `add --advertise http://ADDRESS:${listen.port}`);
  }
}

/** The console is wanted on the controller's port. */
export function hasConsole({ console: given, consoleReadOnly, ...flags }: ListenFlags): boolean {
  const { consoleHost, consolePrometheus, consoleUrl } = flags;
  const asked = [consoleHost, consolePrometheus, consoleUrl].some((flag) => flag !== undefined);
  return given === true || consoleReadOnly === true || asked;
}

/**
 * Starts to listen for reports; undefined without `--listen`. Throws a CommandError when the address cannot be used.
 */
export async function listenForReports(
  { listen, advertise }: ListenFlags,
  io: CommandIo,
  others?: ReportPortOptions['others'],
): Promise<ReportPort | undefined> {
  if (listen === undefined) return undefined;
  try {
    const port = await openReportPort({ ...listen, ...defined({ advertise, others }) });
    const told = advertise === undefined ? '' : `; clients are told ${advertise}`;
    io.note(`graylane: listens at ${port.address}${told}`);
    if (others !== undefined) io.note(`graylane: the console is at ${port.address}/`);
    return port;
  } catch (error) {
    const place = `${listen.host}:${listen.port}`;
    const message = `--listen: ${place}: ${codeOf(error)} (expected: a free address of this host)`;
    throw new CommandError(2, message, 'choose another');
  }
}
