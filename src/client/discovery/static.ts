import { GraylaneError } from '../../base/errors';
import type { Instance } from '../../base/instances';
import { type Logger, silentLogger } from '../../base/logger';
import { createListedServices, DEFAULT_DATACENTER } from './listed-services';
import type { Source } from './source';
import type { StaticInstance, StaticServices } from './static-instance';
import { parseStaticList, type StaticList } from './static-list';

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
  const parse = createServicesParser(order);
  let services = parse(initial);
  let closed = false;
  listed.update(services, { kind: 'fresh' }, true);
  return {
    set(service, instances) {
      services = new Map([...services, ...parse({ [service]: instances })]);
      if (!closed) listed.update(services, { kind: 'fresh' }, true);
    },
    watch(request, listener) {
      if (closed) throw new GraylaneError('CLIENT_CLOSED', 'this source of instances is closed');
      return listed.watch(request, listener);
    },
    close() {
      closed = true;
      listed.close();
    },
  };
}

/**
 * Reads instances by service: checked and complete, or INVALID_INSTANCE with every problem. What it read before it hands over
 * again where nothing changed.
 */
export function createServicesParser(
  order: readonly string[],
): (given: unknown) => ReadonlyMap<string, readonly Instance[]> {
  const former = new Map<string, StaticList>();
  return (given) => {
    if (typeof given !== 'object' || given === null || Array.isArray(given)) {
      throw new GraylaneError('INVALID_INSTANCE', 'instances: expected: lists of instances by service name');
    }
    const problems: string[] = [];
    const read = new Map<string, StaticList>();
    for (const [service, list] of Object.entries(given)) {
      const known = former.get(service);
      const parsed = parseStaticList(list, `instances.${service}`, order[0] ?? DEFAULT_DATACENTER, known);
      problems.push(...parsed.problems);
      read.set(service, parsed.list);
    }
    if (problems.length > 0) throw new GraylaneError('INVALID_INSTANCE', problems.join('\n'));
    for (const [service, list] of read) former.set(service, list);
    return new Map([...read].map(([service, { instances }]) => [service, instances]));
  };
}
