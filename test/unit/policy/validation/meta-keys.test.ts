import { expect, it } from 'vitest';
import { validatePolicy } from '../../../../src/policy/validate';

it('a meta key that Consul takes in no registration is warned of, and refuses nothing', () => {
  const subsets = {
    stable: { meta: { version: 'v1', 'app_kubernetes-io': 'x' } },
    canary: { meta: { 'app.kubernetes.io/version': 'v2' } },
  };
  const document = { schema: 1, service: 'payments', subsets, default: 'stable' };
  const { problems, warnings } = validatePolicy(document, { service: 'payments' });
  expect(problems).toEqual([]);
  expect(warnings.map(({ message }) => message)).toEqual([
    'subsets.canary.meta["app.kubernetes.io/version"]: "v2" (expected: a key of letters, digits, "-" and "_": Consul takes no other, so no instance of it has this one)',
  ]);
});
