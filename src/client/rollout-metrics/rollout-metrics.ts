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
    const reporting = this.#open(place);
    reporting.users += 1;
    reporting.reporter.add(service);
    let isOver = false;
    return () => {
      if (isOver) return;
      isOver = true;
      reporting.users -= 1;
      if (reporting.users === 0) this.#end(place, reporting);
      reporting.reporter.remove(service);
    };
  }

  /** Resolves when the last reports are out, or half a second later. */
  async close(): Promise<void> {
    for (const [client, services] of this.#reporting) {
      for (const [service, reporting] of services) this.#end({ service, client }, reporting);
    }
    await Promise.all(this.#closing);
    this.#sender.close();
  }

  #open({ service, client, datacenter }: RolloutPlace): Reporting {
    const services = this.#reporting.get(client) ?? new Map<string, Reporting>();
    this.#reporting.set(client, services);
    const known = services.get(service);
    if (known !== undefined) return known;
    const reporter = new ServiceReporter({ ...this.#deps, service, sender: this.#sender });
    const watch = watchAnnouncement({ service, datacenter }, (current) => reporter.announce(current), {
      ...this.#deps,
      client,
    });
    const reporting = { reporter, watch, users: 0 };
    services.set(service, reporting);
    return reporting;
  }

  #end({ service, client }: Pick<RolloutPlace, 'service' | 'client'>, { reporter, watch }: Reporting): void {
    const services = this.#reporting.get(client);
    if (services?.get(service)?.reporter !== reporter) return;
    services.delete(service);
    watch.close();
    const closing = reporter.close().finally(() => this.#closing.delete(closing));
    this.#closing.add(closing);
  }
}
