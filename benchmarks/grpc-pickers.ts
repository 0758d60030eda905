import { connectivityState, experimental } from '@grpc/grpc-js';
// Not exported, and needed: the balancers themselves, to compare with what a grpc-js user has today.
import { createLoadBalancer, parseLoadBalancingConfig } from '@grpc/grpc-js/build/src/load-balancer';

/**
 * The picker that a balancer of grpc-js hands to its channel when `size` endpoints are READY: its real code over
 * subchannels that say they are connected.
 */
export function grpcPicker(policy: 'round_robin' | 'weighted_round_robin', size: number): experimental.Picker {
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
  const balancer = createLoadBalancer(parseLoadBalancingConfig({ [policy]: {} }), helper);
  if (balancer === null) throw new Error(`grpc-js has no balancer called ${policy}`);
  const endpoints = Array.from({ length: size }, (_, index) => ({
    addresses: [{ host: `10.${(index >>> 16) & 255}.${(index >>> 8) & 255}.${index & 255}`, port: 9000 }],
  }));
  const config = parseLoadBalancingConfig({ [policy]: {} });
  balancer.updateAddressList(experimental.statusOrFromValue(endpoints), config, {}, '');
  if (latest === undefined) throw new Error(`${policy} gave no picker`);
  return latest;
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
