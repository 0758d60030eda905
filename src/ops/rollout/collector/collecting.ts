import type { ConsulClient } from '../../../consul/client';
import { transact } from '../../store/kv-transaction';
import type { MetricsProvider } from '../analysis/metrics-provider';
import type { ControllerWatch } from '../controller';
import type { RolloutProgress } from '../progress';
import { hasEnded } from '../record';
import { createAnnouncer } from './announcer';
import { createClientsProvider } from './clients-provider';
import { type Collector, createCollector } from './collector';
import { type RolloutListener, startListener } from './listener';
import { type EndedRollouts, rolloutMetrics } from './rollout-metrics';

/** A controller that listens: it gathers its clients' figures, and shows how its rollouts stand. */
export interface Collecting {
  /** Where it listens. */
  readonly address: string;
  /** What the controller is watched by: hears which rollouts it drives, and hands on to `watch`. */
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

/** Rejects with what the system says when the address cannot be had. */
export async function startCollecting(options: CollectingOptions): Promise<Collecting> {
  const { client, lease, maxClients } = options;
  const now = (): number => performance.now();
  const collector: Collector = createCollector({ now, ...(maxClients === undefined ? {} : { maxClients }) });
  const driven = new Map<string, RolloutProgress>();
  const ended = new Map<string, EndedRollouts>();
  const metrics = (): string => rolloutMetrics(driven, collector.standing(), ended);
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
    watch: (inner) => follow(inner, driven, ended, announcer),
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

/** Keeps `driven` and the announcer at what this controller drives. */
function follow(
  inner: ControllerWatch,
  driven: Map<string, RolloutProgress>,
  ended: Map<string, EndedRollouts>,
  announcer: ReturnType<typeof createAnnouncer>,
): ControllerWatch {
  /** Of every service, driven here or not: a controller that takes over need not hear of it again. */
  const known = new Map<string, RolloutProgress>();
  const leading = new Set<string>();
  const look = (service: string): void => {
    const progress = known.get(service);
    if (progress === undefined) return;
    const isDriven = leading.has(service);
    if (isDriven) void announcer.drive(service, progress);
    else announcer.leave(service);
    if (isDriven && !ended.has(service)) ended.set(service, { completed: 0, takenBack: 0, aborted: 0 });
    if (isDriven && !hasEnded(progress)) driven.set(service, progress);
    else if (driven.delete(service) && isDriven) countEnding(ended.get(service), progress);
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
