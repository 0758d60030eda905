import type { Logger } from '../base/logger';
import { formatTarget, type Target } from './grpc/target';
import type { ParsedOptions, Seams } from './options';
import { readService } from './state/read-service';
import { Service, type ServiceOptions } from './state/service';
import type { ClientTelemetry } from './telemetry/client-telemetry';
import { ServiceTelemetry } from './telemetry/service-telemetry';
import type { Wiring } from './wiring';

/** What every service of a Graylane client is told of. */
export type ServiceHooks = Pick<ServiceOptions, 'decisions' | 'intercept' | 'onSnapshot' | 'onUse'>;

export interface ClientServicesDeps {
  readonly options: ParsedOptions;
  readonly seams: Required<Seams>;
  readonly logger: Logger;
  readonly wiring: Wiring;
  readonly telemetry: ClientTelemetry;
  readonly hooks: ServiceHooks;
  /** Hears of each service when it is made, before anybody uses it. */
  readonly made: (service: Service) => void;
}

/** The services of one Graylane client: one for each target, made when first asked for. */
export class ClientServices {
  readonly #deps: ClientServicesDeps;
  readonly #services = new Map<string, Service>();
  readonly #warm = new Set<Service>();

  constructor(deps: ClientServicesDeps) {
    this.#deps = deps;
  }

  /** Throws INVALID_TARGET for what this Graylane client cannot serve. */
  of(target: Target): Service {
    const key = formatTarget(target);
    const known = this.#services.get(key);
    if (known !== undefined) return known;
    const made = this.#make(target, key);
    this.#services.set(key, made);
    this.#deps.made(made);
    return made;
  }

  all(): readonly Service[] {
    return [...this.#services.values()];
  }

  /** Keeps it watched until `close()`: whoever asks for readiness wants it warm, also before the first channel. */
  keepWarm(service: Service): void {
    if (this.#warm.has(service)) return;
    this.#warm.add(service);
    service.subscribe(() => {});
  }

  close(): void {
    for (const service of this.#services.values()) service.close();
  }

  #make(target: Target, key: string): Service {
    const { options, seams, logger, wiring, telemetry, hooks } = this.#deps;
    const { datacenters } = options;
    const made: Service = new Service({
      target,
      // `payments`, or `payments?dc=dc2` where a target says more than the name.
      telemetry: new ServiceTelemetry(telemetry, key.slice(key.lastIndexOf('/') + 1), () => readService(made)),
      source: wiring.source(target),
      policies: wiring.policies(target),
      store: wiring.store(target),
      holdEmptyMs: wiring.holdEmptyMs(target),
      rules: wiring.rules(target.service),
      datacenters: datacenters === 'all' ? undefined : datacenters,
      staticLabels: options.labels,
      clock: seams.clock,
      random: seams.random,
      clientId: seams.clientId,
      connectDeadlineMs: options.connectTimeoutMs,
      authorityMetaKey: options.authorityMetaKey,
      zone: wiring.zone(target),
      logger,
      intercept: hooks.intercept,
      onSnapshot: hooks.onSnapshot,
      decisions: hooks.decisions,
      onUse: hooks.onUse,
    });
    return made;
  }
}
