import * as grpc from '@grpc/grpc-js';
import { type PaymentsClient, paymentsClient } from '../peers/payments';
import type { OpenVariant, Variant } from './variant';

/** What `retry: {}` is in a policy, so that both sides carry the cost of being able to retry. */
const RETRY = {
  name: [{}],
  retryPolicy: {
    maxAttempts: 2,
    initialBackoff: '0.02s',
    maxBackoff: '0.2s',
    backoffMultiplier: 2,
    retryableStatusCodes: ['UNAVAILABLE'],
  },
};

/** grpc-js as it comes, with the same retry and the same authority, and without its proxy lookup. */
export function plain(policy: 'pick_first' | 'round_robin', options: grpc.ClientOptions = {}): Variant {
  return async (addresses) => {
    const list = policy === 'pick_first' ? addresses.slice(0, 1) : addresses;
    const client = paymentsClient(`ipv4:${list.join(',')}`, {
      'grpc.enable_http_proxy': 0,
      // Else the whole list of addresses is sent as the authority of every call.
      'grpc.default_authority': 'payments',
      'grpc.service_config': JSON.stringify({ loadBalancingConfig: [{ [policy]: {} }], methodConfig: [RETRY] }),
      ...options,
    });
    await connected(client);
    return closing(client);
  };
}

function closing(client: PaymentsClient): OpenVariant {
  return {
    client,
    async close() {
      client.close();
    },
  };
}

/** Waits for the channel, and then a little for the rest of its endpoints. */
export async function connected(client: PaymentsClient): Promise<void> {
  const channel = client.getChannel();
  while (channel.getConnectivityState(true) !== grpc.connectivityState.READY) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  await new Promise((resolve) => setTimeout(resolve, 300));
}
