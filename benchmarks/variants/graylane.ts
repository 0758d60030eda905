import type { GraylaneOptions, PolicyDocument } from '../../src/index';
import { paymentsClient } from '../peers/payments';
import { loadPackage } from './package';
import { connected } from './plain';
import type { Variant } from './variant';

/**
 * Twenty routes of which the last one matches, with a split that sticks: what a team with a busy policy has. With the retry that
 * `plain` has, so that both sides carry the cost of being able to retry.
 */
const ROUTED: PolicyDocument = {
  schema: 1,
  service: 'payments',
  subsets: { stable: { tags: ['stable'] }, canary: { tags: ['canary'], fallback: 'stable' } },
  default: 'stable',
  routes: [
    ...Array.from({ length: 19 }, (_, index) => ({
      name: `tier-${index}`,
      match: { labels: { 'x-tier': `tier-${index}` } },
      to: 'canary',
    })),
    {
      name: 'everyone',
      split: [
        { to: 'stable', weight: 90 },
        { to: 'canary', weight: 10 },
      ],
      stickBy: 'x-user-id',
    },
  ],
  retry: {},
};

const UNBROKEN = { breaker: { enabled: false }, subsetBreaker: { enabled: false } };

export function bare(): Variant {
  return open({ policy: 'none' });
}

/** Endpoints in turn: what differs from grpc-js' round_robin is then the library, and not over which connections calls go. */
export function inTurn(): Variant {
  const balancing = { algorithm: 'round_robin' as const };
  return open({ policies: { payments: { schema: 1, service: 'payments', retry: {}, balancing, ...UNBROKEN } } });
}

export function routed(): Variant {
  return open({ policies: { payments: { ...ROUTED, ...UNBROKEN } } });
}

/** As it comes: policy and breakers on. */
export function full(options: GraylaneOptions = {}): Variant {
  return open({ policies: { payments: ROUTED }, ...options });
}

/** The first half of the endpoints takes 90 % of the calls, the rest 10 %: what a proxy with weights does. */
export function split(): Variant {
  const everyone = {
    name: 'everyone',
    split: [
      { to: 'stable', weight: 90 },
      { to: 'canary', weight: 10 },
    ],
  };
  return open({ policies: { payments: { ...ROUTED, routes: [everyone] } } }, (at, count) => at >= count / 2);
}

/** All endpoints but the last one serve; that one gets the copies. */
export function mirrored(isMirrored: boolean, compare = false): Variant {
  const everyone = {
    name: 'everyone',
    to: 'stable',
    ...(isMirrored && { mirror: { to: 'canary', maxInFlight: 10_000, compare } }),
  };
  return open({ policies: { payments: { ...ROUTED, routes: [everyone] } } }, (at, count) => at === count - 1);
}

function open(options: GraylaneOptions, isCanary = (at: number, _count: number): boolean => at % 10 === 9): Variant {
  return async (addresses) => {
    const instances = addresses.map((address, index) => {
      const [host = '', port = ''] = address.split(':');
      return { address: host, port: Number(port), tags: [isCanary(index, addresses.length) ? 'canary' : 'stable'] };
    });
    const graylane = loadPackage().createGraylane({ instances: { payments: instances }, ...options });
    const client = paymentsClient(graylane.target('payments'), graylane.clientOptions());
    await connected(client);
    return {
      client,
      async close() {
        client.close();
        await graylane.close();
      },
    };
  };
}
