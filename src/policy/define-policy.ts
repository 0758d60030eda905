import type { PolicyDocument } from './document';

/**
 * Types a policy that is written in code: subset names are inferred from `subsets`, so that `to: 'canray'` does not
 * compile. Returns its argument; validation happens where the policy is used.
 */
export function definePolicy<const S extends string>(document: PolicyDocument<S>): PolicyDocument<S> {
  return document;
}
