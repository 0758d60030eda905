import type { PlaygroundState } from './link';

/** A policy to begin with, and a call that shows what it is about. */
export interface Example {
  readonly id: 'label' | 'sticky' | 'sample' | 'lanes' | 'failover' | 'mirror' | 'override' | 'versions';
  readonly policy: string;
  readonly labels: readonly (readonly [string, string])[];
  readonly lanes?: string;
}

const TWO_SUBSETS = `subsets:
  stable: { tags: [stable] }
  canary: { tags: [canary], fallback: stable }
default: stable`;

export const EXAMPLES: readonly Example[] = [
  {
    id: 'sticky',
    policy: `schema: 1
service: payments
${TWO_SUBSETS}
routes:
  - name: testers
    match: { labels: { x-gray: canary } }
    to: canary
    strict: true     # testers test the canary
  - name: everyone
    split:
      - { to: stable, weight: 95 }
      - { to: canary, weight: 5 }
    stickBy: x-user-id
breaker: { consecutiveFailures: 5, resetTimeoutMs: 5000 }
`,
    labels: [['x-user-id', 'u-42']],
  },
  {
    id: 'label',
    policy: `schema: 1
service: payments
${TWO_SUBSETS}
routes:
  - name: testers
    match:
      methods: [/shop.v1.Payments/]
      labels: { x-gray: canary, x-region: { in: [eu, us] } }
    to: canary
  - name: everyone
    to: stable
`,
    labels: [
      ['x-gray', 'canary'],
      ['x-region', 'eu'],
    ],
  },
  {
    id: 'sample',
    policy: `schema: 1
service: payments
subsets:
  stable: { tags: [stable] }
  canary: { tags: [canary], fallback: stable }
  next: { tags: [next], fallback: stable }
default: stable
routes:
  - name: early      # a tenth of the users
    match:
      sample: { by: x-user-id, percent: 10 }
    to: next
  - name: everyone
    split:
      - { to: stable, weight: 70 }
      - { to: canary, weight: 20 }
      - { to: next, weight: 10 }
    stickBy: x-user-id
`,
    labels: [['x-user-id', 'u-7']],
  },
  {
    id: 'lanes',
    policy: `schema: 1
service: payments
lanes: { by: x-lane, fallback: stable }
subsets:
  stable: { tags: [stable] }
default: stable
`,
    labels: [['x-lane', 'blue']],
    lanes: 'blue',
  },
  {
    id: 'failover',
    policy: `schema: 1
service: payments
${TWO_SUBSETS}
routes:
  - name: reports    # never leaves its datacenter
    match: { methods: [/shop.v1.Reports/] }
    to: { subset: stable, datacenter: dc2 }
  - name: everyone
    to: canary
    failover: [dc2, dc3]
locality: { prefer: subset }
`,
    labels: [['x-user-id', 'u-42']],
  },
  {
    id: 'mirror',
    policy: `schema: 1
service: payments
subsets:
  stable: { tags: [stable] }
  next: { tags: [next] }
default: stable
idempotent: [/shop.v1.Payments/]
routes:
  - name: everyone
    to: stable
    mirror: { to: next, percent: 10 }
`,
    labels: [['x-user-id', 'u-42']],
  },
  {
    id: 'versions',
    policy: `schema: 1
service: payments
${TWO_SUBSETS}
routes:
  - name: new apps
    match:
      labels:
        x-app-version: { version: '>=16.2 <18' }
        x-device: { not: { prefix: tablet } }
    split:
      - { to: stable, weight: 50 }
      - { to: canary, weight: 50 }
    stickBy: x-user-id
  - name: office
    match: { labels: { x-ip: { cidr: 10.0.0.0/8 } } }
    to: canary
`,
    labels: [
      ['x-app-version', '17.0.3'],
      ['x-device', 'phone-9'],
      ['x-user-id', 'u-42'],
    ],
  },
  {
    id: 'override',
    policy: `schema: 1
service: payments
${TWO_SUBSETS}
routes:
  - name: everyone
    split:
      - { to: stable, weight: 50 }
      - { to: canary, weight: 50 }
    stickBy: x-user-id
override:            # beats every route, and ends by itself
  to: stable
  until: 2099-12-31T10:00:00Z
  by: ops@example
  reason: incident 42
`,
    labels: [['x-user-id', 'u-42']],
  },
];

const ROLLOUT = `schema: 1
service: payments
canary: canary
stable: stable
steps:
  - setWeight: 5
  - analysis: {}
  - setWeight: 25
  - pause: { durationMs: 60000 }
  - analysis: {}
  - setWeight: 50
  - analysis: {}
analysis: { intervalMs: 10000, inconclusiveLimit: 30 }
`;

/** What a playground begins with, and what the rest of a link is taken from. */
export function startOf({ policy, labels, lanes = '' }: Example): PlaygroundState {
  return {
    policy,
    before: '',
    method: '/shop.v1.Payments/Charge',
    labels,
    caller: '',
    lanes,
    breaker: {
      level: 'endpoint',
      subset: 'canary',
      callsPerSecond: 20,
      failsForS: 20,
      failingPercent: 100,
      isSilent: false,
    },
    rollout: ROLLOUT,
    traffic: { callsPerSecond: 300, stableFailing: 0.5, canaryFailing: 0.5, stableMs: 20, canaryMs: 20, seed: 1 },
  };
}
