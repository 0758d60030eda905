import { hostAndPort } from '../../../base/host-and-port';
import { sleep } from '../../../base/sleep';
import type { ConsulClient } from '../../../consul/client';
import { transact } from '../../store/kv';
import { MeasureError, type Measurement, type MeasureRequest } from '../analysis/subset-metrics';
import type { ControllerWatch } from '../controller';
import type { RolloutProgress } from '../progress';
import { hasEnded } from '../record';
import { Announcer, windowId } from './announcer';
import { Collector, type CollectorStatus } from './collector';
import { type ListenerOptions, rolloutReports, startListener } from './listener';

/** The listening part of a controller: collects reports of clients, and serves metrics of its rollouts. */
export interface Collecting {
  /** Where it listens. */
  readonly address: string;
  /** Wraps the callbacks of the controller, to learn which rollouts it leads. */
  watch(watch: ControllerWatch): ControllerWatch;
  /**
   * Measures by the reports of clients for the window that is open in `progress`: each client counts from when it has
   * read the announcement. After an announcement this waits until each client had time for one report. A controller
   * that has just taken over then measures all clients, not only the first ones. Rejects with a {@link MeasureError}.
   */
  measure(progress: RolloutProgress, request: MeasureRequest): Promise<Measurement>;
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
  /** Where it announces what is to be counted. Default: the agent's own. */
  readonly datacenter?: string | undefined;
  /** Answers every path that is none of the controller's own. Default: it is unknown. */
  readonly others?: ListenerOptions['others'];
}

const NAME = 'clients';
/** Time for clients to read an announcement and to send a report. */
const SLACK_MS = 500;

/** Rejects with the system's error when the address cannot be used. */
export async function startCollecting(options: CollectingOptions): Promise<Collecting> {
  const { host, port, advertise, client, lease, datacenter, others } = options;
  const now = (): number => performance.now();
  const collector = new Collector(now);
  const led = new Map<string, RolloutProgress>();
  const ended = new Map<string, EndedRollouts>();
  const metrics = (): string => rolloutMetrics(led, collector.status(), ended);
  const listener = await startListener({ host, port, reports: rolloutReports(collector), metrics, others });
  const address = `http://${hostAndPort(host, listener.port)}`;
  const announcer = new Announcer({
    collector,
    url: advertise ?? address,
    lease,
    write: (operations) => transact(client, datacenter, operations),
    now,
    wallNow: Date.now,
  });
  /** Of every service, led here or not, so that a controller that takes over knows the progress already. */
  const known = new Map<string, RolloutProgress>();
  const leading = new Set<string>();
  /** Keeps the announcer, `led` and `ended` up to date. */
  const look = (service: string): void => {
    const progress = known.get(service);
    if (progress === undefined) return;
    if (!leading.has(service)) {
      announcer.leave(service);
      led.delete(service);
      return;
    }
    void announcer.announce(service, progress);
    const counts = ended.get(service) ?? { completed: 0, taken_back: 0, aborted: 0 };
    ended.set(service, counts);
    if (!hasEnded(progress)) led.set(service, progress);
    else if (led.delete(service)) counts[endingOf(progress)] += 1;
  };
  return {
    address,
    watch: (inner) => ({
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
    }),
    async measure(progress, { service, signal }) {
      const id = windowId(progress);
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
    async close() {
      await announcer.close();
      await listener.close();
    },
  };
}

/**
 * How often rollouts of a service ended in each way while this controller drove them: the canary has all calls, the
 * analysis found it worse or a gate refused, or a person ended it.
 */
export type EndedRollouts = Record<'completed' | 'taken_back' | 'aborted', number>;

function endingOf({ state }: RolloutProgress): keyof EndedRollouts {
  if (state.kind === 'completed') return 'completed';
  return state.kind === 'aborted' && state.why !== 'operator' ? 'taken_back' : 'aborted';
}

/** A pause that ends by itself needs no person. */
function waitsForPerson({ state }: RolloutProgress): boolean {
  if (state.kind === 'inconclusive') return true;
  return state.kind === 'paused' && (state.why !== 'step' || state.untilMs === undefined);
}

type Gauges<T> = readonly (readonly [name: string, help: string, value: (of: T) => number])[];

const OF_ROLLOUTS: Gauges<RolloutProgress> = [
  ['paused', 'Whether the rollout waits for a person.', (progress) => Number(waitsForPerson(progress))],
  ['weight', 'Share of the canary in percent.', ({ weight }) => weight],
  ['step', 'Steps that are done.', ({ step }) => step],
];
const OF_REPORTS: Gauges<CollectorStatus> = [
  ['clients', 'Clients that have reported figures of the analysis that is open.', ({ clients }) => clients],
  ['clients_turned_away', 'Reports of that analysis that there was no room for.', ({ turnedAway }) => turnedAway],
];

/** Of each rollout that this controller drives, in Prometheus' text format. */
export function rolloutMetrics(
  led: ReadonlyMap<string, RolloutProgress>,
  collected: readonly CollectorStatus[],
  ended: ReadonlyMap<string, EndedRollouts>,
): string {
  const rollouts = [...led].sort(byService);
  const reports = collected.filter(({ service }) => led.has(service)).map((each) => [each.service, each] as const);
  // Zeros are written too: a series that appears later does not count as a rise.
  const endings = [...ended]
    .sort(byService)
    .flatMap(([service, counts]) =>
      Object.entries(counts).map(([how, count]): Series => [`${labelOf(service)},graylane_state="${how}"`, count]),
    );
  return [
    ...OF_ROLLOUTS.map((gauge) => gaugeOf(gauge, rollouts)),
    ...OF_REPORTS.map((gauge) => gaugeOf(gauge, reports)),
    family('ended_total', 'counter', 'Rollouts that ended, by how.', endings),
  ].join('');
}

function gaugeOf<T>([name, help, value]: Gauges<T>[number], of: readonly (readonly [string, T])[]): string {
  const series = of.map(([service, each]): Series => [labelOf(service), value(each)]);
  return family(name, 'gauge', help, series);
}

type Series = readonly [labels: string, value: number];

function family(name: string, type: 'gauge' | 'counter', help: string, series: readonly Series[]): string {
  const lines = series.map(([labels, value]) => `graylane_rollout_${name}{${labels}} ${value}\n`);
  return `# HELP graylane_rollout_${name} ${help}\n# TYPE graylane_rollout_${name} ${type}\n${lines.join('')}`;
}

function labelOf(service: string): string {
  const escaped = service.replace(/[\\"]/g, '\\$&').replaceAll('\n', '\\n');
  return `graylane_service="${escaped}"`;
}

function byService([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number {
  return a < b ? -1 : 1;
}
