import { type Fields, fieldsOf, isSet, listOf, textOf } from '../../policy/chain/report';
import type { ConfigEntry } from './read';

/** Entries by kind and service. */
export type EntryTable = ReadonlyMap<string, ConfigEntry>;

export interface ChainOfEntries {
  /** As Consul's API gives a compiled chain. */
  readonly chain: Fields;
  /** What Consul refuses such entries for: the entry, the field, why. */
  readonly refused: readonly { readonly entry: ConfigEntry | undefined; readonly path: string; readonly why: string }[];
}

interface Target {
  readonly service: string;
  readonly subset: string;
  readonly datacenter: string;
  readonly peer: string;
}

const USUAL_CONNECT_TIMEOUT = '5s';
const HASHED: readonly unknown[] = ['ring_hash', 'maglev'];
const MOST_REDIRECTS = 64;

/**
 * Compiles the chain of a service from entries as Consul does, for a datacenter: routers and splitters by service,
 * resolvers with their default subset, redirect and failover. Pure.
 * https://github.com/hashicorp/consul/blob/main/agent/consul/discoverychain/compile.go
 */
export function compileEntries(entries: EntryTable, service: string, datacenter: string): ChainOfEntries {
  return new EntryCompiler(entries, service, datacenter).compile();
}

class EntryCompiler {
  readonly #entries: EntryTable;
  readonly #service: string;
  readonly #datacenter: string;
  readonly #nodes: Record<string, Fields> = {};
  readonly #targets: Record<string, Fields> = {};
  readonly #refused: { entry: ConfigEntry | undefined; path: string; why: string }[] = [];

  constructor(entries: EntryTable, service: string, datacenter: string) {
    this.#entries = entries;
    this.#service = service;
    this.#datacenter = datacenter;
  }

  compile(): ChainOfEntries {
    const StartNode = this.#router() ?? this.#splitterOrResolver(this.#service);
    const chain = {
      ServiceName: this.#service,
      Namespace: 'default',
      Datacenter: this.#datacenter,
      Protocol: statedProtocol(this.#entries, this.#service) ?? 'grpc',
      StartNode,
      Nodes: this.#nodes,
      Targets: this.#targets,
    };
    return { chain, refused: this.#refused };
  }

  #entry(kind: string, service: string): ConfigEntry | undefined {
    return this.#entries.get(`${kind}/${service}`);
  }

  #router(): string | undefined {
    const entry = this.#entry('service-router', this.#service);
    if (entry === undefined) return undefined;
    const routes = listOf(entry.fields['Routes'])
      .map(fieldsOf)
      .map((route, index) => {
        const destination = fieldsOf(route['Destination']);
        const service = textOf(destination['Service']) ?? this.#service;
        const subset = textOf(destination['ServiceSubset']);
        const at = `Routes[${index}].Destination.ServiceSubset`;
        const next =
          subset === undefined
            ? this.#splitterOrResolver(service)
            : this.#resolver(this.#target(service, subset), entry, at);
        return { Definition: route, NextNode: next };
      });
    const rest = {
      Definition: { Match: { HTTP: { PathPrefix: '/' } }, Destination: { Service: this.#service } },
      NextNode: this.#splitterOrResolver(this.#service),
    };
    const id = `router:${this.#service}`;
    this.#nodes[id] = { Type: 'router', Name: this.#service, Routes: [...routes, rest] };
    return id;
  }

  #splitterOrResolver(service: string): string {
    return this.#splitter(service) ?? this.#resolver(this.#target(service, ''), undefined, '');
  }

  #splitter(service: string): string | undefined {
    const entry = this.#entry('service-splitter', service);
    if (entry === undefined) return undefined;
    const id = `splitter:${service}`;
    if (this.#nodes[id] !== undefined) return id;
    const node: Record<string, unknown> = { Type: 'splitter', Name: service };
    // Before its legs, so that splitters that lead back end here; the circle is then found in the graph.
    this.#nodes[id] = node;
    node['Splits'] = listOf(entry.fields['Splits'])
      .map(fieldsOf)
      .map((split, index) => {
        const other = textOf(split['Service']) ?? service;
        const subset = textOf(split['ServiceSubset']) ?? '';
        const further = other !== service && subset === '' ? this.#splitter(other) : undefined;
        const next = further ?? this.#resolver(this.#target(other, subset), entry, `Splits[${index}].ServiceSubset`);
        const balancer = fieldsOf(this.#nodes[next])['LoadBalancer'];
        // Of several services the first that balances by a hash.
        if (HASHED.includes(fieldsOf(balancer)['Policy'])) node['LoadBalancer'] ??= balancer;
        return { Definition: split, Weight: split['Weight'] ?? 0, NextNode: next };
      });
    return id;
  }

  /** The node of a target, after redirects and default subsets. `from`: the entry that names its subset. */
  #resolver(wanted: Target, from: ConfigEntry | undefined, at: string, isFailover = false): string {
    let target = wanted;
    const seen = new Set<string>();
    for (;;) {
      const entry = this.#entry('service-resolver', target.service);
      const resolver = entry?.fields ?? {};
      if (seen.has(idOf(target)) || seen.size > MOST_REDIRECTS) {
        this.#refuse(entry, 'Redirect', 'leads back to itself');
        break;
      }
      seen.add(idOf(target));
      const redirect = fieldsOf(resolver['Redirect']);
      const redirected = isSet(redirect) ? rewritten(target, redirect) : target;
      if (idOf(redirected) !== idOf(target)) {
        target = redirected;
        continue;
      }
      const usual = textOf(resolver['DefaultSubset']);
      if (target.subset !== '' || usual === undefined || target.peer !== '') break;
      target = { ...target, subset: usual };
    }
    const entry = this.#entry('service-resolver', target.service);
    const resolver = entry?.fields ?? {};
    const subsets = fieldsOf(resolver['Subsets']);
    if (target.subset !== '' && target.peer === '' && !Object.hasOwn(subsets, target.subset)) {
      this.#refuse(
        from ?? entry,
        from === undefined ? 'DefaultSubset' : at,
        `${target.service} has no subset ${target.subset} in its service-resolver`,
      );
    }
    const id = `resolver:${idOf(target)}`;
    if (this.#nodes[id] !== undefined) return id;
    const balancer = fieldsOf(resolver['LoadBalancer']);
    const details: Record<string, unknown> = {
      ...(entry === undefined ? { Default: true } : {}),
      ConnectTimeout: resolver['ConnectTimeout'] ?? USUAL_CONNECT_TIMEOUT,
      ...(isSet(resolver['RequestTimeout']) ? { RequestTimeout: resolver['RequestTimeout'] } : {}),
      Target: this.#named(target, subsets),
    };
    const node = {
      Type: 'resolver',
      Name: idOf(target),
      Resolver: details,
      ...(isSet(balancer) ? { LoadBalancer: balancer } : {}),
    };
    // The target of a failover has no failover of its own, and is no node of the chain unless it is also led to.
    if (!isFailover) {
      this.#nodes[id] = node;
      const failover = this.#failover(target, entry);
      if (failover.length > 0) details['Failover'] = { Targets: failover, ...policyOf(entry, target) };
    }
    return isFailover ? String(details['Target']) : id;
  }

  #failover(target: Target, entry: ConfigEntry | undefined): readonly string[] {
    const table = fieldsOf(entry?.fields['Failover']);
    const key = Object.hasOwn(table, target.subset) ? target.subset : '*';
    const rule = fieldsOf(table[key]);
    const at = `Failover[${JSON.stringify(key)}]`;
    const listed = listOf(rule['Targets']).map(fieldsOf);
    const datacenters = listOf(rule['Datacenters']).map(String);
    const wanted =
      listed.length > 0
        ? listed.map((each) => rewritten(target, each))
        : datacenters.length > 0
          ? datacenters.map((Datacenter) => rewritten(target, { ...rule, Datacenter }))
          : isSet(rule)
            ? [rewritten(target, rule)]
            : [];
    return wanted.flatMap((each) => (idOf(each) === idOf(target) ? [] : [this.#resolver(each, entry, at, true)]));
  }

  #target(service: string, subset: string): Target {
    return { service, subset, datacenter: this.#datacenter, peer: '' };
  }

  #named(target: Target, subsets: Fields): string {
    const id = idOf(target);
    const { service: Service, subset, datacenter, peer: Peer } = target;
    this.#targets[id] ??= {
      ID: id,
      Service,
      ...(subset === '' ? {} : { ServiceSubset: subset }),
      Namespace: 'default',
      ...(Peer === '' ? { Datacenter: datacenter } : { Peer }),
      Subset: fieldsOf(subsets[subset]),
    };
    return id;
  }

  #refuse(entry: ConfigEntry | undefined, path: string, why: string): void {
    this.#refused.push({ entry, path, why });
  }
}

/** That of the service's own defaults, else that of all; undefined where neither says one. */
export function statedProtocol(entries: EntryTable, service: string): string | undefined {
  const own = textOf(entries.get(`service-defaults/${service}`)?.fields['Protocol']);
  return own ?? textOf(fieldsOf(entries.get('proxy-defaults/global')?.fields['Config'])['protocol']);
}

/** Only the mode: regions are not known. */
function policyOf(entry: ConfigEntry | undefined, target: Target): Fields {
  const table = fieldsOf(entry?.fields['Failover']);
  const { Policy } = fieldsOf(table[target.subset] ?? table['*']);
  return isSet(Policy) ? { Policy } : {};
}

/** Another service begins without a subset; the datacenter stays unless another is named. */
function rewritten(target: Target, to: Fields): Target {
  const service = textOf(to['Service']) ?? target.service;
  const subset = textOf(to['ServiceSubset']) ?? (service === target.service ? target.subset : '');
  return {
    service,
    subset,
    datacenter: textOf(to['Datacenter']) ?? target.datacenter,
    peer: textOf(to['Peer']) ?? target.peer,
  };
}

function idOf({ service, subset, datacenter, peer }: Target): string {
  const place = peer === '' ? datacenter : `external.${peer}`;
  return `${subset === '' ? '' : `${subset}.`}${service}.default.${place}`;
}
