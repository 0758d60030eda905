import { GraylaneError } from '../base/errors';
import { ofKey } from '../base/of-key';
import { membershipOf } from '../policy/membership/membership';
import { tierOrder } from '../policy/membership/tiers';
import { type Channel, connectivity } from './grpc/grpc-js';
import { formatTarget, type Target } from './grpc/target';
import type { Service } from './state/service';

/** The services of one Graylane client: one for each target, created when a target is first used. */
export class Services {
  readonly #create: (target: Target, key: string) => Service;
  readonly #services = new Map<string, Service>();
  readonly #warm = new Set<Service>();

  constructor(create: (target: Target, key: string) => Service) {
    this.#create = create;
  }

  /** Throws INVALID_TARGET for a target that this client cannot serve. */
  of(target: Target): Service {
    const key = formatTarget(target);
    return ofKey(this.#services, key, () => this.#create(target, key));
  }

  all(): readonly Service[] {
    return [...this.#services.values()];
  }

  /**
   * Resolves when a service knows policy and instances, its default destination has a usable instance, and each of
   * `channels` is connected; rejects with NOT_READY and what is missing after `timeoutMs`. The service stays watched
   * until `close()`.
   */
  async ready(service: Service, channels: readonly Channel[], timeoutMs: number): Promise<void> {
    if (!this.#warm.has(service)) {
      this.#warm.add(service);
      service.subscribe(() => {});
    }
    await waitUntilReady(service, channels, timeoutMs);
  }

  close(): void {
    for (const service of this.#services.values()) service.close();
  }
}

async function waitUntilReady(service: Service, channels: readonly Channel[], timeoutMs: number): Promise<void> {
  for (const channel of channels) channel.getConnectivityState(true);
  await new Promise<void>((resolve, reject) => {
    const stopWaiting: (() => void)[] = [];
    const finish = (error?: GraylaneError): void => {
      for (const stop of stopWaiting) stop();
      if (error === undefined) resolve();
      else reject(error);
    };
    const check = (): void => {
      if (service.isClosed)
        finish(new GraylaneError('CLIENT_CLOSED', `${service.service}: the Graylane client was closed`));
      else if (missingFrom(service, channels) === undefined) finish();
    };
    stopWaiting.push(service.subscribe(check));
    const deadline = setTimeout(() => {
      const missing = missingFrom(service, channels) ?? 'nothing any more';
      finish(new GraylaneError('NOT_READY', `not ready after ${timeoutMs} ms: ${missing}`));
    }, timeoutMs);
    // Connectivity has no listener in grpc-js that could be taken back; a short poll for the short time of a start has.
    const poll = setInterval(check, 10);
    stopWaiting.push(
      () => clearTimeout(deadline),
      () => clearInterval(poll),
    );
    check();
  });
}

function missingFrom(service: Service, channels: readonly Channel[]): string | undefined {
  const { snapshot } = service;
  if (snapshot === undefined) return service.pendingReason();
  if (snapshot.refusal !== undefined) return snapshot.refusal;
  const { plan } = snapshot;
  const membership = membershipOf(plan, snapshot.instances);
  const { destination } = plan.fallthrough;
  const isServed = tierOrder(plan, destination, membership.datacenters).some(({ subset, datacenter }) => {
    const { usable = [], draining = [] } = membership.group(subset, datacenter) ?? {};
    return usable.length + draining.length > 0;
  });
  if (!isServed) {
    return `${service.service}/${destination.subset}: 0 usable instances in ${membership.datacenters.join(', ')}`;
  }
  const waiting = channels.find((channel) => channel.getConnectivityState(true) !== connectivity.READY);
  if (waiting === undefined) return undefined;
  const failures = service.endpoints
    .present()
    .flatMap((endpoint) => service.endpoints.connectionsTo(endpoint).map((connection) => connection.failure))
    .filter((failure) => failure !== undefined);
  const why = failures[0] === undefined ? '' : ` (last failure: ${failures[0]})`;
  return `${service.service}: no connection to any of ${service.endpoints.present().length} instances yet${why}`;
}
