import { definePolicy, type PolicyDocument } from 'graylane';

/** What the demo's calls follow; `canaryPercent` is the one number that it changes. */
export function createPolicy(canaryPercent: number): PolicyDocument<'stable' | 'canary'> {
  return definePolicy({
    schema: 1,
    service: 'payments',
    subsets: { stable: { tags: ['stable'] }, canary: { tags: ['canary'], fallback: 'stable' } },
    default: 'stable',
    routes: [
      { name: 'testers', match: { labels: { 'x-gray': 'canary' } }, to: 'canary', strict: true },
      {
        name: 'everyone',
        split: [
          { to: 'stable', weight: 100 - canaryPercent },
          { to: 'canary', weight: canaryPercent },
        ],
        stickBy: 'x-user-id',
      },
    ],
    // Without this a call runs at most once, and a killed instance loses the calls that it is working on.
    retry: {
      maxAttempts: 4,
      retryableStatusCodes: ['UNAVAILABLE', 'INTERNAL'],
      initialBackoffMs: 20,
      maxBackoffMs: 200,
    },
    // Sooner than the defaults, and a larger budget: the demo breaks half of its calls at once.
    retryBudget: { percent: 100 },
    breaker: { resetTimeoutMs: 1_000, maxResetTimeoutMs: 1_000 },
    subsetBreaker: { resetTimeoutMs: 1_000, maxResetTimeoutMs: 1_000 },
  });
}
