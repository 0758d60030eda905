import { hostAndPort } from '../../../base/host-and-port';
import { sleep } from '../../../base/sleep';
import type { ConsulClient } from '../../../consul/client';
import { transact } from '../../store/kv';
import { MeasureError, type Measurement, type MeasureRequest } from '../analysis/subset-metrics';
import type { ControllerWatch } from '../controller';
import type { RolloutProgress } from '../progress';
import { hasEnded } from '../record';
import { Announcer, type AnnouncerDeps, windowId } from './announcer';
import { Collector } from './collector';
import { type ListenerOptions, type ReportTaker, rolloutReports, startListener } from './listener';
import { type EndedRollouts, endingOf, type PlaceMetrics, rolloutMetrics } from './rollout-metrics';

/** The one port of a controller: takes reports of clients, and serves metrics of its rollouts. */
export interface ReportPort {
  /** Where it listens. */
  readonly address: string;
  /** Collects for the rollouts of one datacenter, besides those of others. */
  collect(place: CollectingPlace): Collecting;
  /** Idempotent, never rejects. */
  close(): Promise<void>;
}

/** What a controller collects for the rollouts of one datacenter. */
export interface Collecting {
  /** Wraps the callbacks of the controller, to learn which rollouts it leads. */
  watch(watch: ControllerWatch): ControllerWatch;
  /**
   * Measures by the reports of clients for the window that is open in `progress`: each client counts from when it has
   * read the announcement. After an announcement this waits until each client had time for one report. A controller
   * that has just taken over then measures all clients, not only the first ones. Rejects with a {@link MeasureError}.
   */
  measure(progress: RolloutProgress, request: MeasureRequest): Promise<Measurement>;
  /** Announces nothing more. Idempotent, never rejects. */
  close(): Promise<void>;
}

export interface ReportPortOptions {
  readonly host: string;
  readonly port: number;
  /** Where clients reach it. Default: `http://host:port`, as it listens. */
  readonly advertise?: string;
  /** Answers every path that is none of the controller's own. Default: it is unknown. */
  readonly others?: ListenerOptions['others'];
}

interface CollectingPlace {
  readonly client: ConsulClient;
  readonly lease: { readonly session: string | undefined };
  /** Whose rollouts they are, and where it announces what is to be counted. Default: the agent's own. */
  readonly datacenter?: string | undefined;
}

const NAME = 'clients';
/** Time for clients to read an announcement and to send a report. */
const SLACK_MS = 500;

/** Rejects with the system's error when the address cannot be used. */
export async function openReportPort({ host, port, advertise, others }: ReportPortOptions): Promise<ReportPort> {
  const takers: ReportTaker[] = [];
  const places: (() => PlaceMetrics)[] = [];
  const metrics = (): string => rolloutMetrics(places.map((status) => status()));
  const listener = await startListener({ host, port, takers, metrics, others });
  const address = `http://${hostAndPort(host, listener.port)}`;
  return {
    address,
    collect(place) {
      const { collecting, taker, status } = collectIn(place, advertise ?? address);
      takers.push(taker);
      places.push(status);
      return collecting;
    },
    close: () => listener.close(),
  };
}

function collectIn(
  { client, lease, datacenter }: CollectingPlace,
  url: string,
): { readonly collecting: Collecting; readonly taker: ReportTaker; readonly status: () => PlaceMetrics } {
  const now = (): number => performance.now();
  const collector = new Collector(now);
  const led = new Map<string, RolloutProgress>();
  const ended = new Map<string, EndedRollouts>();
  const write: AnnouncerDeps['write'] = (operations) => transact(client, datacenter, operations);
  const announcer = new Announcer({ collector, url, lease, write, now, wallNow: Date.now });
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
  const collecting: Collecting = {
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
    close: () => announcer.close(),
  };
  const status = (): PlaceMetrics => ({ datacenter, led, collected: collector.status(), ended });
  return { collecting, taker: rolloutReports(collector), status };
}
