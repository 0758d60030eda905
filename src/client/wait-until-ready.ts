import { GraylaneError } from '../base/errors';
import { membershipOf } from '../policy/membership/membership';
import { tierOrder } from '../policy/membership/tiers';
import { type Channel, connectivity } from './grpc/grpc-js';
import type { Service } from './state/service';

/**
 * Resolves when a service knows policy and instances, its default destination has a usable instance, and each of
 * `channels` is connected; rejects with NOT_READY and what is missing after `timeoutMs`.
 */
export async function waitUntilReady(service: Service, channels: readonly Channel[], timeoutMs: number): Promise<void> {
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
  const isServed = tierOrder(plan, destination, membership).some(({ subset, datacenter }) => {
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
