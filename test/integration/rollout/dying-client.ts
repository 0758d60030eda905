import type { ConsulClient } from '../../../src/consul/client';

export class Crash extends Error {}

/** Dies at its nth write: before Consul has it, or when Consul has it and the answer is on its way. */
export function dyingClient(client: ConsulClient, nth: number, when: 'before' | 'after'): ConsulClient {
  let writes = 0;
  let isDead = false;
  return {
    ...client,
    get: (request) => (isDead ? Promise.reject(new Crash()) : client.get(request)),
    async put(request) {
      if (isDead) throw new Crash();
      if (!request.body.includes('"Verb":"cas"')) return client.put(request);
      writes += 1;
      if (writes < nth) return client.put(request);
      isDead = true;
      if (when === 'after') await client.put(request);
      throw new Crash();
    },
  };
}
