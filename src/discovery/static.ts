import { GraylaneError } from '../errors';
import { type Logger, silentLogger } from '../internal/logger';
import { createListedServices, DEFAULT_DATACENTER } from './listed-services';
import type { Instance, Source } from './source';
import { parseStaticInstances, type StaticInstance, type StaticServices } from './static-instance';

export interface StaticSourceOptions {
  /** The local one first. Default: `local`; others that instances name follow by name. */
  readonly datacenters?: readonly string[];
  readonly logger?: Logger;
}

/** Instances written down in code. A service that is not listed has none, and that is known. */
export interface StaticSource extends Source {
  /** Replaces the instances of one service. Throws INVALID_INSTANCE with every problem, and then changes nothing. */
  set(service: string, instances: readonly StaticInstance[]): void;
}

/** Throws a `GraylaneError` INVALID_INSTANCE that lists every problem, one a line. */
export function createStaticSource(initial: StaticServices = {}, options: StaticSourceOptions = {}): StaticSource {
  const order = options.datacenters ?? [];
  const listed = createListedServices(order, options.logger ?? silentLogger);
  let services = parseStaticServices(initial, order);
  let closed = false;
  listed.update(services, { kind: 'fresh' }, true);
  return {
    set(service, instances) {
      const parsed = parseStaticServices({ [service]: instances }, order);
      services = new Map([...services, ...parsed]);
      if (!closed) listed.update(services, { kind: 'fresh' }, true);
    },
    watch(request, listener) {
      if (closed) throw new GraylaneError('LANE_CLOSED', 'this source of instances is closed');
      return listed.watch(request, listener);
    },
    close() {
      closed = true;
      listed.close();
    },
  };
}

/** Checked and complete. Throws INVALID_INSTANCE with every problem. */
export function parseStaticServices(
  given: unknown,
  order: readonly string[],
): ReadonlyMap<string, readonly Instance[]> {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    throw new GraylaneError('INVALID_INSTANCE', 'instances: expected: lists of instances by service name');
  }
  const problems: string[] = [];
  const services = new Map<string, readonly Instance[]>();
  for (const [service, list] of Object.entries(given)) {
    const parsed = parseStaticInstances(list, `instances.${service}`, order[0] ?? DEFAULT_DATACENTER);
    problems.push(...parsed.problems);
    services.set(service, parsed.instances);
  }
  if (problems.length > 0) throw new GraylaneError('INVALID_INSTANCE', problems.join('\n'));
  return services;
}
