import { defined } from '../../../base/defined';
import { sleep } from '../../../base/sleep';
import type { ConsulClient } from '../../../consul/client';
import { transact } from '../../store/kv';
import type { Measurement, MeasureRequest, MetricsProvider } from '../analysis/metrics-provider';
import { MeasureError } from '../analysis/requests';
import type { ControllerWatch } from '../controller';
import type { RolloutProgress } from '../progress';
import { hasEnded } from '../record';
import { type Announcer, createAnnouncer, windowId } from './announcer';
import { type Collector, type CollectorStatus, createCollector } from './collector';
import { type RolloutListener, startListener } from './listener';

/** The listening part of a controller: collects reports of clients, and serves metrics of its rollouts. */
export interface Collecting {
  /** Where it listens. */
  readonly address: string;
  /** Wraps the callbacks of the controller, to learn which rollouts it leads. */
  watch(watch: ControllerWatch): ControllerWatch;
  /** For the window that is open in `progress`. */
  provider(progress: RolloutProgress): MetricsProvider;
  /** Idempotent, never rejects. */
  close(): Promise<void>;
}

export interface CollectingOptions {
  readonly host: string;
  readonly port: number;
  /** Where clients reach it. Default: `http://host:port`, as it listens. */
  readonly advertise?: string;
  readonly client: ConsulClient;
  readonly lease: { readonly session: string | undefined };
  /** Clients that are counted in one window. Default 10,000. */
  readonly maxClients?: number;
}

/** Rejects with the system's error when the address cannot be used. */
export async function startCollecting(options: CollectingOptions): Promise<Collecting> {
  const { client, lease, maxClients } = options;
  const now = (): number => performance.now();
  const collector: Collector = createCollector({ now, ...defined({ maxClients }) });
  const led = new Map<string, RolloutProgress>();
  const ended = new Map<string, EndedRollouts>();
  const metrics = (): string => rolloutMetrics(led, collector.status(), ended);
  const listener: RolloutListener = await startListener({ host: options.host, port: options.port, collector, metrics });
  const { host, port } = listener;
  const address = `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
  const announcer = createAnnouncer({
    collector,
    url: options.advertise ?? address,
    lease,
    write: (operations) => transact(client, undefined, operations),
    now,
    wallNow: Date.now,
  });
  return {
    address,
    watch: (inner) => follow(inner, led, ended, announcer),
    provider: (progress) => createClientsProvider({ collector, announcer, now }, progress),
    async close() {
      await announcer.close();
      await listener.close();
    },
  };
}

function countEnding(ended: EndedRollouts | undefined, { state }: RolloutProgress): void {
  if (ended === undefined) return;
  if (state.kind === 'completed') ended.completed += 1;
  else if (state.kind === 'aborted' && state.why === 'analysis') ended.takenBack += 1;
  else if (state.kind === 'aborted') ended.aborted += 1;
}

/** Keeps `led` and the announcer up to date with the rollouts that this controller leads. */
function follow(
  inner: ControllerWatch,
  led: Map<string, RolloutProgress>,
  ended: Map<string, EndedRollouts>,
  announcer: ReturnType<typeof createAnnouncer>,
): ControllerWatch {
  /** Of every service, led here or not, so that a controller that takes over knows the progress already. */
  const known = new Map<string, RolloutProgress>();
  const leading = new Set<string>();
  const look = (service: string): void => {
    const progress = known.get(service);
    if (progress === undefined) return;
    const isLed = leading.has(service);
    if (isLed) void announcer.announce(service, progress);
    else announcer.leave(service);
    if (isLed && !ended.has(service)) ended.set(service, { completed: 0, takenBack: 0, aborted: 0 });
    if (isLed && !hasEnded(progress)) led.set(service, progress);
    else if (led.delete(service) && isLed) countEnding(ended.get(service), progress);
  };
  return {
    onRecord(service, record) {
      known.set(service, record.progress);
      look(service);
      inner.onRecord(service, record);
    },
    onRole(service, role, holder) {
      if (role === 'leader') leading.add(service);
      else leading.delete(service);
      look(service);
      inner.onRole(service, role, holder);
    },
    onProblem: (service, problem) => inner.onProblem(service, problem),
  };
}

const NAME = 'clients';
/** Time for clients to read an announcement and to send a report. */
const SLACK_MS = 500;

/**
 * Measures by the reports of clients for the window that is open in `progress`: each client counts from when it has
 * read the announcement. After an announcement the provider waits until each client had time for one report. A
 * controller that has just taken over then measures all clients, not only the first ones.
 */
function createClientsProvider(
  { collector, announcer, now }: { readonly collector: Collector; readonly announcer: Announcer; now(): number },
  progress: RolloutProgress,
): MetricsProvider {
  const id = windowId(progress);
  return {
    async measure({ service, signal }: MeasureRequest): Promise<Measurement> {
      // A controller that takes over measures before its role is reported.
      await announcer.announce(service, progress);
      const { window, sinceMs, problem } = announcer.status(service);
      if (window?.id !== id) {
        throw new MeasureError(`${NAME}: nothing was announced to them${problem === undefined ? '' : `: ${problem}`}`);
      }
      await sleep(sinceMs + window.everyMs + SLACK_MS - now(), signal);
      const sum = collector.sum(service, id);
      if (sum === undefined || sum.clients === 0) {
        throw new MeasureError(
          `${NAME}: none has reported (expected: clients of ${service} with reportRolloutMetrics: true that may read ` +
            `graylane/rollouts/${service}/collector and reach this controller)`,
        );
      }
      const { canary, stable } = sum;
      return { canary, stable };
    },
  };
}

/** How often rollouts of a service ended in each way while this controller drove them. */
export interface EndedRollouts {
  /** The canary has all calls. */
  completed: number;
  /** The analysis found it worse: it was taken back. */
  takenBack: number;
  /** By a person. */
  aborted: number;
}

/** Of each rollout that this controller drives, in Prometheus' text format. */
export function rolloutMetrics(
  led: ReadonlyMap<string, RolloutProgress>,
  collected: readonly CollectorStatus[],
  ended: ReadonlyMap<string, EndedRollouts> = new Map(),
): string {
  const all = [...led].sort(([a], [b]) => (a < b ? -1 : 1));
  const shown = collected.filter(({ service }) => led.has(service));
  const series = (value: (progress: RolloutProgress) => number): readonly Series[] =>
    all.map(([service, progress]) => [service, value(progress)]);
  return [
    ...gauge(
      'graylane_rollout_paused',
      'Whether the rollout waits for a person.',
      series((each) => Number(waitsForPerson(each))),
    ),
    ...gauge(
      'graylane_rollout_weight',
      'Share of the canary in percent.',
      series(({ weight }) => weight),
    ),
    ...gauge(
      'graylane_rollout_step',
      'Steps that are done.',
      series(({ step }) => step),
    ),
    ...gauge(
      'graylane_rollout_clients',
      'Clients that have reported figures of the analysis that is open.',
      shown.map(({ service, clients }) => [service, clients]),
    ),
    ...gauge(
      'graylane_rollout_clients_turned_away',
      'Reports of that analysis that there was no room for.',
      shown.map(({ service, turnedAway }) => [service, turnedAway]),
    ),
    ...endings(ended),
  ]
    .map((line) => `${line}\n`)
    .join('');
}

/** Zeros are written too: a series that appears later does not count as a rise. */
function endings(ended: ReadonlyMap<string, EndedRollouts>): readonly string[] {
  const name = 'graylane_rollout_ended_total';
  const lines = [...ended]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([service, { completed, takenBack, aborted }]) =>
      Object.entries({ completed, taken_back: takenBack, aborted }).map(
        ([how, count]) => `${name}{graylane_service="${escaped(service)}",graylane_state="${how}"} ${count}`,
      ),
    );
  return [`# HELP ${name} Rollouts that ended, by how.`, `# TYPE ${name} counter`, ...lines];
}

type Series = readonly [service: string, value: number];

/** A pause that ends by itself needs no person. */
function waitsForPerson({ state }: RolloutProgress): boolean {
  if (state.kind === 'inconclusive') return true;
  return state.kind === 'paused' && (state.why !== 'step' || state.untilMs === undefined);
}

function gauge(name: string, help: string, series: readonly Series[]): readonly string[] {
  const lines = series.map(([service, value]) => `${name}{graylane_service="${escaped(service)}"} ${value}`);
  return [`# HELP ${name} ${help}`, `# TYPE ${name} gauge`, ...lines];
}

function escaped(text: string): string {
  return text.replace(/\\/g, '\\\\').replace(/"/g, '\\"').replace(/\n/g, '\\n');
}
