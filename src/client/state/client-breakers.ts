import { Emitter, type Subscription } from '../../base/emitter';
import { type Logger, tellListenerFault } from '../../base/logger';
import type { BreakerChange, BreakerView } from '../breaker/view';
import type { Service } from './service';

/** A breaker of a Graylane client: which service it belongs to, and how it stands. */
export interface ClientBreakerView extends BreakerView {
  /** Consul service name. */
  readonly service: string;
}

/** A breaker of a service changed its state. */
export interface ClientBreakerChange extends BreakerChange {
  /** Consul service name. */
  readonly service: string;
}

/** All breakers of a Graylane client, to look at and to hear of. */
export interface ClientBreakers {
  /** Those that exist: an endpoint gets one at its first failure, a subset with a fallback when it is first used. */
  list(): readonly ClientBreakerView[];
  /**
   * Calls `listener` with each change of state, in opossum's words (`open`, `halfOpen`, `close`), synchronously; what
   * it throws, or its promise rejects with, is logged once. Returns the way to stop.
   */
  subscribe(listener: (change: ClientBreakerChange) => void): Subscription;
  /**
   * opossum's own object of a subset's breaker (key `canary@dc1`), for exporters and dashboards of its ecosystem;
   * undefined when there is none. Typed as unknown, since opossum is not part of this library's types.
   */
  opossum(service: string, key: string): unknown;
}

/** Gathers the breakers of services as they come. */
export class BreakerHub implements ClientBreakers {
  readonly #services = new Set<Service>();
  readonly #changes: Emitter<ClientBreakerChange>;

  constructor(logger: Logger) {
    this.#changes = new Emitter((error) => tellListenerFault(error, 'breakers', logger));
  }

  add(service: Service): void {
    this.#services.add(service);
    service.breakers.subscribe((change) => this.#changes.emit({ ...change, service: service.service }));
  }

  list(): readonly ClientBreakerView[] {
    return [...this.#services].flatMap((service) =>
      service.breakers.views().map((view) => ({ ...view, service: service.service })),
    );
  }

  subscribe(listener: (change: ClientBreakerChange) => void): Subscription {
    return this.#changes.subscribe(listener);
  }

  opossum(name: string, key: string): unknown {
    for (const service of this.#services) {
      const found = service.service === name ? service.breakers.opossum(key) : undefined;
      if (found !== undefined) return found;
    }
    return undefined;
  }
}
