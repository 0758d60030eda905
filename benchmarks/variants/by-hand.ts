import type * as grpc from '@grpc/grpc-js';
import CircuitBreaker from 'opossum';
import type { PaymentsClient } from '../peers/payments';
import { plain } from './plain';
import type { Variant } from './variant';

/** opossum around a promise around a call, as tutorials have it: one breaker for the whole service. */
export function byHand(): Variant {
  return async (addresses) => {
    const open = await plain('round_robin')(addresses);
    const breaker = new CircuitBreaker((metadata: grpc.Metadata) => charge(open.client, metadata), {
      timeout: 10_000,
      errorThresholdPercentage: 50,
      resetTimeout: 5_000,
    });
    return {
      ...open,
      charge: async (metadata) => void (await breaker.fire(metadata)),
      async close() {
        breaker.shutdown();
        await open.close();
      },
    };
  };
}

export function charge(client: PaymentsClient, metadata: grpc.Metadata): Promise<void> {
  return new Promise((resolve, reject) =>
    client.charge({ order: 'o-1', amountCents: 1_000 }, metadata, { deadline: Date.now() + 10_000 }, (error) =>
      error === null ? resolve() : reject(error),
    ),
  );
}
