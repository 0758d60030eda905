import { networkInterfaces } from 'node:os';
import type { Clock } from '../base/clock';
import { GraylaneError } from '../base/errors';
import type { Logger } from '../base/logger';
import type { Random } from '../base/random';
import { SDK_VERSION } from '../base/sdk-version';
import { nearest } from '../base/spelling';
import type { AgentLoad } from '../consul/agent-load';
import { askAgentZone } from '../consul/agent-zone';
import { type ConsulClient, createConsulClient } from '../consul/client';
import { parseConsulOptions } from '../consul/options';
import { compileChain } from '../policy/chain/compile';
import { compilePolicy, emptyPlan } from '../policy/compile';
import type { PolicyDocument } from '../policy/document';
import type { Plan, PolicyOrigin } from '../policy/plan';
import { createConsulSource } from './discovery/consul/source';
import { createFileSource } from './discovery/file';
import { createSharedClient } from './discovery/host/shared-client';
import { createResolvedSource } from './discovery/resolved-source';
import type { Source } from './discovery/source';
import { createStateStore, type StateStore } from './discovery/state-store';
import { createStaticSource, type StaticSource } from './discovery/static';
import type { FiguresPlace } from './figures/client-figures';
import type { PolicyMode, Target } from './grpc/target';
import type { FileReference, ParsedOptions } from './options';
import { ClientZone } from './state/client-zone';
import { createChainPolicySource } from './state/policy-sources/chain';
import { createDocumentOrChainSource } from './state/policy-sources/document-or-chain';
import { createFilePolicySource } from './state/policy-sources/file';
import { createInlinePolicySource, type InlinePolicySource } from './state/policy-sources/inline';
import { createKvPolicySource } from './state/policy-sources/kv';
import { createLayeredPolicySource } from './state/policy-sources/layered';
import type { PolicySource } from './state/policy-sources/source';
import type { PolicyRules } from './state/policy-state';

export interface Deps {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/**
 * Chooses and shares the sources of one client: which discovery and which policy source a target gets. Nothing is opened
 * before a source is watched.
 */
export class Wiring {
  readonly inline: InlinePolicySource;
  readonly #options: ParsedOptions;
  readonly #deps: Deps;
  readonly #clients = new Map<string, ConsulClient>();
  readonly #sources = new Map<string, Source>();
  readonly #kvSources = new Map<string, PolicySource>();
  readonly #chainSources = new Map<string, PolicySource>();
  readonly #zones = new Map<string, ClientZone>();
  readonly #policyFiles = new Map<string, PolicySource>();
  /** Plans of inline documents, so that one is not compiled again when its source delivers it. */
  readonly #compiled = new WeakMap<object, Plan>();
  readonly #store: StateStore | undefined;
  readonly #warnedOf = new Set<string>();
  #staticSource: StaticSource | undefined;

  constructor(options: ParsedOptions, deps: Deps) {
    this.#options = options;
    this.#deps = deps;
    this.inline = createInlinePolicySource();
    this.#store = options.stateDirectory === undefined ? undefined : createStateStore(options.stateDirectory, deps);
    this.#readPolicies();
    if (options.instances !== undefined && !isFile(options.instances)) this.#static();
    if (this.scheme === 'consul') this.#client(undefined);
  }

  /** Scheme of `graylane.target()`: static when instances were given and Consul was not. */
  get scheme(): 'consul' | 'static' {
    return this.#options.instances !== undefined && this.#options.consul === undefined ? 'static' : 'consul';
  }

  source(target: Target): Source {
    const key = target.scheme === 'static' ? 'static' : `consul ${target.authority ?? ''}`;
    let source = this.#sources.get(key);
    if (source === undefined) {
      const listing = target.scheme === 'static' ? this.#staticOrFile() : this.#consul(target.authority);
      source = createResolvedSource(listing, this.#deps);
      this.#sources.set(key, source);
    }
    return source;
  }

  /** Replaces the instances of a service given in code. */
  setInstances(service: string, instances: Parameters<StaticSource['set']>[1]): void {
    this.#static().set(service, instances);
  }

  policies(target: Target): PolicySource | undefined {
    const mode: PolicyMode = target.policy ?? this.#options.policy;
    const file = this.#policyFiles.get(target.service);
    switch (mode) {
      case 'none':
        return undefined;
      case 'inline':
        return file === undefined ? this.inline : createLayeredPolicySource(this.inline, file);
      case 'chain':
        if (target.scheme === 'consul') return this.#chain(target);
        throw new GraylaneError(
          'INVALID_TARGET',
          'policy: chain (expected: auto, inline, kv or none for static targets)',
        );
      case 'kv':
        return this.#kv(target);
      case 'auto': {
        if (file !== undefined) return createLayeredPolicySource(this.inline, file);
        if (target.scheme === 'static') return this.inline;
        return createLayeredPolicySource(
          this.inline,
          createDocumentOrChainSource(this.#kv(target), this.#chain(target), this.#deps),
        );
      }
    }
  }

  rules(service: string): PolicyRules {
    const override = this.#options.overrides.get(service);
    if (override === undefined) this.#warnOfMisspeltOverride(service);
    const overridden = override === undefined ? {} : { override };
    return {
      compile: (reading) => {
        const known = typeof reading.content === 'object' ? this.#compiled.get(reading.content) : undefined;
        if (known !== undefined) return known;
        const origin = reading.origin ?? originOf(reading.format);
        if (origin === 'chain') {
          const { content, index } = reading;
          const facts = { service, sourceAddress: sourceAddress(), ...(index === undefined ? {} : { index }) };
          return compileChain(content, { ...facts, ...overridden });
        }
        return compilePolicy(reading, { service, origin, ...overridden });
      },
      withoutPolicy: emptyPlan(service, overridden),
      requirePolicy: this.#options.requirePolicy,
      isObserving: this.#options.mode === 'observe',
    };
  }

  /** Takes a document for a service, or takes it back. Throws a PolicyError and changes nothing when it is invalid. */
  setPolicy(service: string, document: PolicyDocument | undefined): void {
    if (document === undefined) {
      this.inline.set(service, undefined);
      return;
    }
    const plan = this.rules(service).compile({ kind: 'present', content: document, format: 'object' });
    // The plan's own copy: what the caller does to his object from now on changes nothing.
    const copy = plan.document ?? structuredClone(document);
    this.#compiled.set(copy, plan);
    this.inline.set(service, copy);
  }

  /** Only what comes from Consul need be remembered: the rest is there at the start. */
  store(target: Target): StateStore | undefined {
    return target.scheme === 'consul' ? this.#store : undefined;
  }

  /** Requests open at the agents that this Graylane client has asked. */
  get load(): readonly AgentLoad[] {
    return [...this.#clients.values()].flatMap((client) => client.load);
  }

  /** The zone of this process, as far as the target's Consul agent, or nobody, has a say in it. */
  zone({ scheme, authority }: Target): ClientZone {
    const key = `${scheme} ${authority ?? ''}`;
    let zone = this.#zones.get(key);
    if (zone === undefined) {
      const ask = scheme === 'consul' ? () => askAgentZone(this.#client(authority)) : undefined;
      zone = new ClientZone(this.#options.zone, ask, this.#deps.clock);
      this.#zones.set(key, zone);
    }
    return zone;
  }

  /** Where what drives a service's rollouts stands in Consul: beside the policy. Undefined: not in Consul. */
  figuresPlace({ scheme, authority, service }: Target): FiguresPlace | undefined {
    if (scheme !== 'consul') return undefined;
    return { service, client: this.#client(authority), datacenter: this.#options.policyDatacenter };
  }

  /** How long an empty answer is not believed where instances are remembered. */
  holdEmptyMs(target: Target): number {
    const { confirmations, windowMs, except } = this.#options.protection;
    const isProtected = target.scheme === 'consul' && confirmations > 1 && !except.includes(target.service);
    return isProtected ? windowMs : 0;
  }

  /** Resolves when what is to be remembered is on disk. */
  async flush(): Promise<void> {
    await this.#store?.flush();
  }

  close(): void {
    for (const source of this.#sources.values()) source.close();
    for (const client of this.#clients.values()) client.close();
  }

  /** An entry of GRAYLANE_OVERRIDE that names no service does nothing, and nobody would notice. */
  #warnOfMisspeltOverride(service: string): void {
    const { overrides } = this.#options;
    const near = nearest(service, [...overrides.keys()]);
    if (near === undefined || this.#warnedOf.has(service)) return;
    this.#warnedOf.add(service);
    this.#deps.logger.warn('GRAYLANE_OVERRIDE does not name this service, but one that is spelt alike', {
      service,
      named: near,
    });
  }

  #readPolicies(): void {
    const { clock } = this.#deps;
    for (const [service, policy] of Object.entries(this.#options.policies)) {
      if (isFile(policy))
        this.#policyFiles.set(service, createFilePolicySource({ files: { [service]: policy.file }, clock }));
      else this.setPolicy(service, policy);
    }
  }

  #kv(target: Target): PolicySource {
    const key = target.authority ?? '';
    let source = this.#kvSources.get(key);
    if (source === undefined) {
      const datacenter = this.#options.policyDatacenter;
      const options = { client: this.#client(target.authority), ...(datacenter === undefined ? {} : { datacenter }) };
      source = createKvPolicySource(options, this.#deps);
      this.#kvSources.set(key, source);
    }
    return source;
  }

  #chain(target: Target): PolicySource {
    const { datacenters, policyDatacenter } = this.#options;
    const [local] = target.datacenters ?? (datacenters === 'all' ? [] : (datacenters ?? []));
    const datacenter = policyDatacenter ?? local;
    const key = JSON.stringify([target.authority, datacenter, local]);
    let source = this.#chainSources.get(key);
    if (source === undefined) {
      const asked = datacenter === undefined ? {} : { datacenter };
      const compiledFor = local === undefined || local === datacenter ? {} : { compiledFor: local };
      source = createChainPolicySource(
        { client: this.#client(target.authority), ...asked, ...compiledFor },
        this.#deps,
      );
      this.#chainSources.set(key, source);
    }
    return source;
  }

  #consul(authority: string | undefined): Source {
    const { datacenters, protection } = this.#options;
    const client = this.#client(authority);
    const options = { client, protection, ...(datacenters === undefined ? {} : { datacenters }) };
    return createConsulSource(options, this.#deps);
  }

  #client(authority: string | undefined): ConsulClient {
    const key = authority ?? '';
    let client = this.#clients.get(key);
    if (client === undefined) {
      const asked = parseConsulOptions(this.#options.consul, this.#deps.env, authority);
      const { stateDirectory, shareWatches } = this.#options;
      client =
        stateDirectory === undefined || !shareWatches
          ? createConsulClient(asked, this.#deps)
          : createSharedClient(asked, stateDirectory, { ...this.#deps, version: SDK_VERSION });
      this.#clients.set(key, client);
    }
    return client;
  }

  #staticOrFile(): Source {
    const { instances } = this.#options;
    return instances !== undefined && isFile(instances) ? createFileSource(instances.file, this.#deps) : this.#static();
  }

  #static(): StaticSource {
    if (this.#staticSource === undefined) {
      const { instances, datacenters } = this.#options;
      const given = instances === undefined || isFile(instances) ? {} : instances;
      const order = datacenters === undefined || datacenters === 'all' ? {} : { datacenters };
      this.#staticSource = createStaticSource(given, { ...this.#deps, ...order });
    }
    return this.#staticSource;
  }
}

/** The address that this host's calls come from, as far as it can tell: the first that is not its own loopback. */
function sourceAddress(): string {
  const addresses = Object.values(networkInterfaces()).flatMap((each) => each ?? []);
  return addresses.find(({ internal }) => !internal)?.address ?? '127.0.0.1';
}

function isFile(value: object): value is FileReference {
  return 'file' in value && typeof value.file === 'string';
}

function originOf(format: 'json' | 'yaml' | 'object'): PolicyOrigin {
  return format === 'object' ? 'inline' : format === 'yaml' ? 'file' : 'kv';
}
