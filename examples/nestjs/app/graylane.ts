import { createGraylane, definePolicy, type Graylane, type StaticInstance } from 'graylane';

/** The injection token of the application's one Graylane client. */
export const GRAYLANE = Symbol('graylane');

/** With Consul: createGraylane({ consul: { address: 'http://127.0.0.1:8500' } }), the policy from its KV store. */
export function openGraylane(instances: readonly StaticInstance[]): Graylane {
  return createGraylane({
    instances: { payments: instances },
    policies: {
      payments: definePolicy({
        schema: 1,
        service: 'payments',
        subsets: { stable: { tags: ['stable'] }, canary: { tags: ['canary'] } },
        default: 'stable',
        routes: [{ name: 'testers', match: { labels: { 'x-gray': 'canary' } }, to: 'canary', strict: true }],
      }),
    },
  });
}
