import * as grpc from '@grpc/grpc-js';
import { serviceConfig } from '../../../src/client/grpc/grpc-js';

type Selector = grpc.experimental.ConfigSelector;
type Picker = grpc.experimental.Picker;
type Helper = grpc.experimental.ChannelControlHelper;
type Subchannel = grpc.experimental.SubchannelInterface;

/** What a test puts in the place of a resolver and a balancer. */
export interface FactsScript {
  readonly address: { readonly host: string; readonly port: number };
  readonly invoke: Selector['invoke'];
  /** Wraps or records; `subchannel` is READY. */
  readonly pick: (args: grpc.experimental.PickArgs, subchannel: Subchannel) => grpc.experimental.PickResult;
  /** Called with each address list, before the subchannel of `address` is made. */
  readonly updated?: (helper: Helper) => void;
}

const scripts = new Map<string, FactsScript>();
const POLICY = 'graylane_facts';
let isRegistered = false;

/** A client's target whose calls go through the script and through nothing of this library. */
export function factsTarget(script: FactsScript): string {
  register();
  const name = `script-${scripts.size}`;
  scripts.set(name, script);
  return `facts:///${name}`;
}

/** What a selector returns for a call without retries. */
export function plainConfig(
  methodConfig: Partial<grpc.MethodConfig> = {},
  pickInformation: object = {},
): ReturnType<Selector['invoke']> {
  return {
    methodConfig: { name: [], ...methodConfig },
    pickInformation: pickInformation as Record<string, string>,
    status: grpc.status.OK,
    dynamicFilterFactories: [],
  };
}

export function completePick(
  subchannel: Subchannel,
  callbacks: Partial<grpc.experimental.PickResult> = {},
): grpc.experimental.PickResult {
  const result = { pickResultType: 0, subchannel, status: null, onCallStarted: null, onCallEnded: null, ...callbacks };
  return result as grpc.experimental.PickResult;
}

function register(): void {
  if (isRegistered) return;
  isRegistered = true;
  grpc.experimental.registerResolver('facts', FactsResolver);
  grpc.experimental.registerLoadBalancerType(POLICY, FactsBalancer, FactsConfig);
}

function scriptOf(options: grpc.ChannelOptions): FactsScript {
  return options['grpc.internal.no_subchannel.facts'] as unknown as FactsScript;
}

class FactsResolver implements grpc.experimental.Resolver {
  static getDefaultAuthority(): string {
    return 'facts';
  }
  readonly #script: FactsScript;
  readonly #listener: grpc.experimental.ResolverListener;
  #isAnswered = false;
  constructor(target: grpc.experimental.GrpcUri, listener: grpc.experimental.ResolverListener) {
    this.#script = scripts.get(target.path) as FactsScript;
    this.#listener = listener;
  }
  updateResolution(): void {
    if (this.#isAnswered) return;
    this.#isAnswered = true;
    setImmediate(() => {
      const attributes = {
        [grpc.experimental.CHANNEL_ARGS_CONFIG_SELECTOR_KEY]: { invoke: this.#script.invoke, unref() {} },
        'grpc.internal.no_subchannel.facts': this.#script,
      };
      const config = { ...serviceConfig, loadBalancingConfig: [{ [POLICY]: {} }] };
      this.#listener({ ok: true, value: [] }, attributes, { ok: true, value: config }, '');
    });
  }
  destroy(): void {}
}

class FactsConfig implements grpc.experimental.TypedLoadBalancingConfig {
  static createFromJson(): FactsConfig {
    return new FactsConfig();
  }
  getLoadBalancerName(): string {
    return POLICY;
  }
  toJsonObject(): object {
    return { [POLICY]: {} };
  }
}

class FactsBalancer implements grpc.experimental.LoadBalancer {
  readonly #helper: Helper;
  #subchannel: Subchannel | undefined;
  constructor(helper: Helper) {
    this.#helper = helper;
  }
  updateAddressList(_endpoints: unknown, _config: unknown, options: grpc.ChannelOptions): boolean {
    const script = scriptOf(options);
    script.updated?.(this.#helper);
    const subchannel = this.#helper.createSubchannel(script.address, {});
    this.#subchannel = subchannel;
    subchannel.ref();
    const picker: Picker = { pick: (args) => script.pick(args, subchannel) };
    const publish = (state: grpc.connectivityState): void =>
      this.#helper.updateState(
        state,
        state === grpc.connectivityState.READY ? picker : new grpc.experimental.QueuePicker(this),
        null,
      );
    subchannel.addConnectivityStateListener((_, __, state) => publish(state));
    publish(grpc.connectivityState.CONNECTING);
    subchannel.startConnecting();
    return true;
  }
  exitIdle(): void {}
  resetBackoff(): void {}
  destroy(): void {
    this.#subchannel?.unref();
  }
  getTypeName(): string {
    return POLICY;
  }
}
