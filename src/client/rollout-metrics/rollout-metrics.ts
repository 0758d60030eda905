import { ofKey } from '../../base/of-key';
import type { Runtime } from '../../base/runtime';
import type { BlockingQuery } from '../../consul/blocking-query';
import type { ConsulClient } from '../../consul/client';
import { watchAnnouncement } from './announcement-watch';
import { createReportSender, type ReportSender } from './report-sender';
import { type CountedService, ServiceReporter } from './service-reporter';

/** Where the policy of a service stands, and with it what drives its rollouts. */
export interface RolloutPlace {
  readonly service: string;
  readonly client: ConsulClient;
  /** Undefined: the agent's own. */
  readonly datacenter: string | undefined;
}

interface Reporting {
  readonly reporter: ServiceReporter;
  readonly watch: BlockingQuery;
  users: number;
}

/**
 * Reports the figures of a client's services to the controllers of their rollouts: only in clients that were told to.
 * One watch and one reporter a service, while the service is in use, however many targets name it.
 */
export class RolloutMetrics {
  readonly #deps: Runtime;
  readonly #sender: ReportSender = createReportSender();
  readonly #reporting = new Map<ConsulClient, Map<string, Reporting>>();
  readonly #closing = new Set<Promise<void>>();

  constructor(deps: Runtime) {
    this.#deps = deps;
  }

  /** The service is in use from now on. Returns what is to be called when it is no more; idempotent. */
  use(place: RolloutPlace, service: CountedService): () => void {
    const services = ofKey(this.#reporting, place.client, () => new Map<string, Reporting>());
    const reporting = ofKey(services, place.service, () => this.#open(place));
    reporting.users += 1;
    reporting.reporter.add(service);
    let isOver = false;
    return () => {
      if (isOver) return;
      isOver = true;
      reporting.users -= 1;
      if (reporting.users === 0 && services.get(place.service) === reporting) {
        services.delete(place.service);
        this.#end(reporting);
      }
      reporting.reporter.remove(service);
    };
  }

  /** Resolves when the last reports are out, or half a second later. */
  async close(): Promise<void> {
    for (const services of this.#reporting.values()) {
      for (const reporting of services.values()) this.#end(reporting);
      services.clear();
    }
    await Promise.all(this.#closing);
    this.#sender.close();
  }

  #open({ service, client, datacenter }: RolloutPlace): Reporting {
    const reporter = new ServiceReporter({ ...this.#deps, service, sender: this.#sender });
    const deps = { ...this.#deps, client };
    const watch = watchAnnouncement({ service, datacenter }, (current) => reporter.announce(current), deps);
    return { reporter, watch, users: 0 };
  }

  #end({ reporter, watch }: Reporting): void {
    watch.close();
    const closing = reporter.close().finally(() => this.#closing.delete(closing));
    this.#closing.add(closing);
  }
}
