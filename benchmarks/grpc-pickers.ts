import { connectivityState, experimental } from '@grpc/grpc-js';
// Not exported, and needed: the balancers themselves, to compare with what a grpc-js user has today.
import { createLoadBalancer, parseLoadBalancingConfig } from '@grpc/grpc-js/build/src/load-balancer';

type Endpoint = experimental.Endpoint;

/** What a balancer is given beside its endpoints. */
interface Balancing {
  /** As a service config has it. */
  readonly config: Readonly<Record<string, object>>;
  /** What a balancer wants to know of an endpoint. */
  readonly describe?: (index: number) => object;
  readonly options?: Readonly<Record<string, unknown>>;
}

/**
 * The picker that a balancer of grpc-js hands to its channel when `size` endpoints are READY: its real code over
 * subchannels that say they are connected.
 */
export function grpcPicker(policy: 'round_robin' | 'weighted_round_robin', size: number): experimental.Picker {
  const picker = openBalancer({ config: { [policy]: {} } }, size)();
  if (picker === undefined) throw new Error(`${policy} gave no picker`);
  return picker;
}

/** Returns what reads the balancer's latest picker, since some make theirs a little later. */
export function openBalancer(balancing: Balancing, size: number): () => experimental.Picker | undefined {
  const { describe, options = {} } = balancing;
  const [policy = ''] = Object.keys(balancing.config);
  let latest: experimental.Picker | undefined;
  const helper: experimental.ChannelControlHelper = {
    createSubchannel: (address) => connectedSubchannel(experimental.subchannelAddressToString(address)),
    updateState: (_, picker) => {
      latest = picker;
    },
    requestReresolution() {},
    addChannelzChild() {},
    removeChannelzChild() {},
  };
  const config = parseLoadBalancingConfig(balancing.config);
  const balancer = createLoadBalancer(config, helper);
  if (balancer === null) throw new Error(`grpc-js has no balancer called ${policy}`);
  const endpoints = Array.from({ length: size }, (_, index): Endpoint => {
    const host = `10.${(index >>> 16) & 255}.${(index >>> 8) & 255}.${index & 255}`;
    return { addresses: [{ host, port: 9000 }], ...describe?.(index) };
  });
  balancer.updateAddressList(experimental.statusOrFromValue(endpoints), config, options, '');
  return () => latest;
}

function connectedSubchannel(address: string): experimental.SubchannelInterface {
  const subchannel = {
    getConnectivityState: () => connectivityState.READY,
    addConnectivityStateListener() {},
    removeConnectivityStateListener() {},
    startConnecting() {},
    getAddress: () => address,
    throttleKeepalive() {},
    ref() {},
    unref() {},
    getChannelzRef: () => ({ kind: 'subchannel', id: 0, name: address }),
    isHealthy: () => true,
    addHealthStateWatcher() {},
    removeHealthStateWatcher() {},
    addDataWatcher() {},
    getRealSubchannel: () => subchannel,
    realSubchannelEquals: (other: unknown) => other === subchannel,
    getCallCredentials: () => undefined,
    getChannel: () => undefined,
  };
  return subchannel as unknown as experimental.SubchannelInterface;
}
