import { networkInterfaces } from 'node:os';
import { defined } from '../base/defined';
import { GraylaneError } from '../base/errors';
import { ofKey } from '../base/of-key';
import type { Runtime } from '../base/runtime';
import { SDK_VERSION } from '../base/sdk-version';
import { nearest } from '../base/spelling';
import { askAgentZone } from '../consul/agent-self';
import { type ConsulClient, createConsulClient } from '../consul/client';
import { parseConsulOptions } from '../consul/options';
import type { AgentLoad } from '../consul/request';
import { compileChain } from '../policy/chain/compile';
import { type CompileOptions, compilePolicy, emptyPlan, withOtherPolicies } from '../policy/compile';
import type { PolicyDocument } from '../policy/document';
import type { Plan, PolicyOrigin, PolicyProblem } from '../policy/plan';
import { PolicyError } from '../policy/policy-error';
import { signedAtMs } from '../policy/signature';
import type { Candidates } from './candidate/candidates';
import { createGradualPolicySource, type WatchCandidate } from './candidate/gradual-source';
import { createConsulSource } from './discovery/consul/source';
import { createFileSource } from './discovery/file';
import { SharedClient } from './discovery/host/shared-client';
import { createResolvedSource } from './discovery/resolved-source';
import type { Source } from './discovery/source';
import { StateStore } from './discovery/state-store';
import { createStaticSource, type StaticSource } from './discovery/static';
import type { PolicyMode, Target } from './grpc/target';
import type { FileReference, ParsedOptions } from './options';
import type { RolloutPlace } from './rollout-metrics/rollout-metrics';
import { ClientZone } from './state/client-zone';
import { createChainPolicySource, createKvPolicySource } from './state/policy-sources/consul';
import { createFilePolicySource } from './state/policy-sources/file';
import { createInlinePolicySource, type InlinePolicySource } from './state/policy-sources/inline';
import { createGivenListSource, createListFileSource } from './state/policy-sources/list';
import { createDocumentOrChainSource, createLayeredPolicySource } from './state/policy-sources/precedence';
import type { PolicySource } from './state/policy-sources/source';
import type { PolicyRules } from './state/policy-state';
import type { ServiceOptions } from './state/service';
import { ValueListStore } from './state/value-lists';

const UNSIGNED_CHAIN: PolicyProblem = {
  path: '',
  message: 'policy: config entries, which cannot be signed (expected: a signed document, since policyKeys is given)',
};

interface SourceDeps extends Runtime {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clientId: string;
  /** Undefined: candidates are not asked for. */
  readonly candidates: Candidates | undefined;
}

/** Where one service gets its instances, its policy and its zone from. */
type ServiceSources = Pick<
  ServiceOptions,
  'source' | 'policies' | 'others' | 'lists' | 'store' | 'emptyGracePeriodMs' | 'rules' | 'zone'
>;

/**
 * Chooses and shares the sources of one Graylane client: which discovery and which policy source a target gets. Does no
 * I/O: nothing is opened before a source is watched. Throws PolicyError for a policy given in the options.
 */
export class Sources {
  readonly #inline: InlinePolicySource = createInlinePolicySource();
  readonly #options: ParsedOptions;
  readonly #deps: SourceDeps;
  readonly #clients = new Map<string, ConsulClient>();
  readonly #sources = new Map<string, Source>();
  readonly #kvSources = new Map<string, PolicySource>();
  readonly #chainSources = new Map<string, PolicySource>();
  readonly #zones = new Map<string, ClientZone>();
  readonly #policyFiles = new Map<string, PolicySource>();
  /** Plans of inline documents, so that a document is not compiled again when its source delivers it. */
  readonly #compiled = new WeakMap<object, Plan>();
  readonly #store: StateStore | undefined;
  readonly #warnedOf = new Set<string>();
  /** With `policyKeys`: when the newest policy of each service was signed. */
  readonly #signedAtMs = new Map<string, number>();
  readonly #lists: ValueListStore;
  #kvLists: PolicySource | undefined;
  #staticSource: StaticSource | undefined;

  constructor(options: ParsedOptions, deps: SourceDeps) {
    this.#options = options;
    this.#deps = deps;
    this.#lists = new ValueListStore((name) => this.#list(name), deps.logger);
    this.#store = options.stateDirectory === undefined ? undefined : new StateStore(options.stateDirectory, deps);
    for (const [service, policy] of Object.entries(options.policies)) {
      if (!isFile(policy)) this.setPolicy(service, policy);
      else {
        this.#policyFiles.set(service, createFilePolicySource(service, policy.file, deps.clock));
      }
    }
    if (options.instances !== undefined && !isFile(options.instances)) this.#static();
    if (this.scheme === 'consul') this.#client(undefined);
  }

  /** Scheme of `graylane.target()`: static when instances were given and Consul was not. */
  get scheme(): 'consul' | 'static' {
    return this.#options.instances !== undefined && this.#options.consul === undefined ? 'static' : 'consul';
  }

  /** Throws INVALID_TARGET for a target that this client cannot serve. */
  of(target: Target): ServiceSources {
    const { confirmations, windowMs, except } = this.#options.protection;
    const isConsul = target.scheme === 'consul';
    const isProtected = isConsul && confirmations > 1 && !except.includes(target.service);
    return {
      source: this.#instances(target),
      policies: this.#policies(target),
      others: {
        of: (service) => ({ policies: this.#policies({ ...target, service }), rules: this.#rules(service, true) }),
        join: (plan, policies) => withOtherPolicies(plan, policies, this.#facts(target.service)),
      },
      lists: this.#lists,
      // Only what comes from Consul need be kept on disk: the rest is there at the start.
      store: isConsul ? this.#store : undefined,
      emptyGracePeriodMs: isProtected ? windowMs : 0,
      rules: this.#rules(target.service),
      zone: this.#zone(target),
    };
  }

  /** Replaces the instances of a service given in code. */
  setInstances(service: string, instances: Parameters<StaticSource['set']>[1]): void {
    this.#static().set(service, instances);
  }

  /** Takes a document for a service, or takes it back. Throws a PolicyError and changes nothing when it is invalid. */
  setPolicy(service: string, document: PolicyDocument | undefined): void {
    if (document === undefined) {
      this.#inline.set(service, undefined);
      return;
    }
    const plan = this.#rules(service).compile({ kind: 'present', content: document, format: 'object' });
    // The plan's own copy: what the caller does to the object from now on changes nothing.
    const copy = plan.document ?? structuredClone(document);
    this.#compiled.set(copy, plan);
    this.#inline.set(service, copy);
  }

  /** Requests open at the agents that this client has asked. */
  get load(): readonly AgentLoad[] {
    return [...this.#clients.values()].flatMap((client) => client.load);
  }

  /** Where the rollout controller of a service announces itself: beside the policy. Undefined: not in Consul. */
  rolloutPlace({ scheme, authority, service }: Target): RolloutPlace | undefined {
    if (scheme !== 'consul') return undefined;
    return { service, client: this.#client(authority), datacenter: this.#options.policyDatacenter };
  }

  /** Where a candidate for the policy of a service stands. Undefined: its policy does not come from Consul's KV store. */
  candidatePlace(target: Target): RolloutPlace | undefined {
    const mode = target.policy ?? this.#options.policy;
    const isFromKv = (mode === 'kv' || mode === 'auto') && !this.#policyFiles.has(target.service);
    return isFromKv ? this.rolloutPlace(target) : undefined;
  }

  /** Stops every source; resolves when what is to be kept is on disk. */
  async close(): Promise<void> {
    for (const source of this.#sources.values()) source.close();
    for (const client of this.#clients.values()) client.close();
    await this.#store?.flush();
  }

  #instances({ scheme, authority }: Target): Source {
    return ofKey(this.#sources, scheme === 'static' ? 'static' : `consul ${authority ?? ''}`, () =>
      createResolvedSource(scheme === 'static' ? this.#staticOrFile() : this.#consul(authority), this.#deps),
    );
  }

  #policies(target: Target): PolicySource | undefined {
    const mode: PolicyMode = target.policy ?? this.#options.policy;
    const file = this.#policyFiles.get(target.service);
    const isConsul = target.scheme === 'consul';
    switch (mode) {
      case 'none':
        return undefined;
      case 'inline':
        return file === undefined ? this.#inline : createLayeredPolicySource(this.#inline, file);
      case 'chain':
        if (isConsul) return this.#chain(target);
        throw new GraylaneError(
          'INVALID_TARGET',
          'policy: chain (expected: auto, inline, kv or none for static targets)',
        );
      case 'kv':
        return this.#kv(target);
      case 'auto': {
        if (file === undefined && !isConsul) return this.#inline;
        const below = file ?? createDocumentOrChainSource(this.#kv(target), this.#chain(target), this.#deps);
        return createLayeredPolicySource(this.#inline, below);
      }
    }
  }

  /** What a plan of the service is compiled with beside its document. */
  #facts(service: string): Pick<CompileOptions, 'override' | 'caller' | 'lists'> {
    const { overrides, serviceName } = this.#options;
    return defined({ override: overrides.get(service), caller: serviceName, lists: this.#lists });
  }

  /** `isOther`: another service's policy names it; its override is for its own calls. */
  #rules(service: string, isOther = false): PolicyRules {
    const { override, ...facts } = this.#facts(service);
    if (override === undefined && !isOther) this.#warnOfMisspeltOverride(service);
    const overridden = override === undefined || isOther ? facts : { ...facts, override };
    let withoutPolicy: Plan | undefined;
    return {
      compile: (reading) => {
        const known = typeof reading.content === 'object' ? this.#compiled.get(reading.content) : undefined;
        if (known !== undefined) return known;
        const origin = reading.origin ?? originOf(reading.format);
        const trusted = origin === 'kv' || origin === 'chain' ? this.#options.policyKeys : undefined;
        if (origin === 'chain') {
          if (trusted !== undefined) throw new PolicyError(service, [UNSIGNED_CHAIN]);
          const { content, index } = reading;
          const where = { service, sourceAddress: sourceAddress(), ...(index === undefined ? {} : { index }) };
          return compileChain(content, { ...where, ...overridden });
        }
        if (trusted === undefined) return compilePolicy(reading, { service, origin, ...overridden });
        const plan = compilePolicy(reading, { service, origin, ...overridden, signed: trusted });
        this.#refuseOlder(service, plan, reading.candidate !== undefined);
        return plan;
      },
      // Made when it is asked for: `setPolicy()` needs none.
      get withoutPolicy() {
        withoutPolicy ??= emptyPlan(service, overridden);
        return withoutPolicy;
      },
      requirePolicy: this.#options.requirePolicy,
      isObserving: this.#options.mode === 'observe',
    };
  }

  /** Who can write to Consul can put back an earlier document, whose signature is right. */
  #refuseOlder(service: string, plan: Plan, isCandidate: boolean): void {
    const atMs = signedAtMs(plan);
    if (atMs === undefined) return;
    const lastMs = this.#signedAtMs.get(service);
    if (lastMs !== undefined && atMs < lastMs) {
      const [found, last] = [atMs, lastMs].map((ms) => new Date(ms).toISOString());
      const message = `signature.at: ${found} (expected: ${last} or later, when the policy in force was signed)`;
      throw new PolicyError(service, [{ path: 'signature.at', message }]);
    }
    if (!isCandidate) this.#signedAtMs.set(service, atMs);
  }

  /** The zone of this process: the target's Consul agent is asked where the options name none. */
  #zone({ scheme, authority }: Target): ClientZone {
    const ask = scheme === 'consul' ? () => askAgentZone(this.#client(authority)) : undefined;
    return ofKey(
      this.#zones,
      `${scheme} ${authority ?? ''}`,
      () => new ClientZone(this.#options.zone, ask, this.#deps.clock),
    );
  }

  /** Warns of an entry of GRAYLANE_OVERRIDE that names no service: it would do nothing, unnoticed. */
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

  /** Lists given in code and in files go before Consul's. */
  #list(name: string): PolicySource | undefined {
    const { lists, policyDatacenter } = this.#options;
    const given = Object.hasOwn(lists, name) ? lists[name] : undefined;
    if (given !== undefined) {
      return isFile(given) ? createListFileSource(given.file, this.#deps.clock) : createGivenListSource(given);
    }
    if (this.scheme !== 'consul') return undefined;
    this.#kvLists ??= createKvPolicySource(
      { client: this.#client(undefined), datacenter: policyDatacenter },
      this.#deps,
      'graylane/lists',
    );
    return this.#kvLists;
  }

  #kv({ authority }: Target): PolicySource {
    const client = this.#client(authority);
    const datacenter = this.#options.policyDatacenter;
    const { candidates, clientId } = this.#deps;
    return ofKey(this.#kvSources, authority ?? '', () => {
      const stored = createKvPolicySource({ client, datacenter }, this.#deps);
      if (candidates === undefined) return stored;
      const watch: WatchCandidate = (service, listener) => candidates.watch({ service, client, datacenter }, listener);
      return createGradualPolicySource(stored, watch, clientId);
    });
  }

  #chain({ authority, datacenters: listed }: Target): PolicySource {
    const { datacenters, policyDatacenter } = this.#options;
    const [local] = listed ?? (datacenters === 'all' ? [] : (datacenters ?? []));
    const datacenter = policyDatacenter ?? local;
    const client = this.#client(authority);
    const options = { client, datacenter, compiledFor: local === datacenter ? undefined : local };
    return ofKey(this.#chainSources, JSON.stringify([authority, datacenter, local]), () =>
      createChainPolicySource(options, this.#deps),
    );
  }

  #consul(authority: string | undefined): Source {
    const { datacenters, protection } = this.#options;
    const client = this.#client(authority);
    return createConsulSource({ client, protection, datacenters }, this.#deps);
  }

  #client(authority: string | undefined): ConsulClient {
    return ofKey(this.#clients, authority ?? '', () => {
      const asked = parseConsulOptions(this.#options.consul, this.#deps.env, authority);
      const { stateDirectory, shareWatches } = this.#options;
      return stateDirectory === undefined || !shareWatches
        ? createConsulClient(asked, this.#deps)
        : new SharedClient(asked, stateDirectory, { ...this.#deps, version: SDK_VERSION });
    });
  }

  #staticOrFile(): Source {
    const { instances } = this.#options;
    return instances !== undefined && isFile(instances) ? createFileSource(instances.file, this.#deps) : this.#static();
  }

  #static(): StaticSource {
    if (this.#staticSource === undefined) {
      const { instances, datacenters } = this.#options;
      const given = instances === undefined || isFile(instances) ? {} : instances;
      const order = datacenters === 'all' ? undefined : datacenters;
      this.#staticSource = createStaticSource(given, { ...this.#deps, datacenters: order });
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
