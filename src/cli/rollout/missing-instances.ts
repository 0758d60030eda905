import { judgeEffect } from '../../ops/effect/effect';
import type { RolloutDocument } from '../../ops/rollout/document';
import { compileStored } from '../../ops/store/policy-text';
import { PolicyError } from '../../policy/policy-error';
import { readRegistryView } from '../consul/registry-view';
import type { StoreSession } from '../consul/store-session';

/**
 * Why a rollout should not be started: canary or stable has no instances, or both have the same. Undefined: it may be.
 * `datacenter`: of the policy, undefined is the agent's own. Rejects when Consul does not answer.
 */
export async function missingInstances(
  { service, canary, stable }: RolloutDocument,
  datacenter: string | undefined,
  { connection, policies }: Pick<StoreSession, 'connection' | 'policies'>,
): Promise<string | undefined> {
  const { policy } = await policies.read(service, datacenter);
  if (policy === undefined) return undefined;
  const plan = compileStored(service, policy.text);
  // Problems of the policy are reported when the rollout is started.
  if (plan instanceof PolicyError) return undefined;
  const registered = await readRegistryView(connection, { service, datacenter }, [plan]);
  const view = { ...registered, alsoUsed: [canary, stable] };
  const paths = [canary, stable].map((name) => `subsets.${name}`);
  const { findings } = judgeEffect({ before: plan, after: plan, view, wallNowMs: Date.now() });
  const harms = findings.filter(({ path, subset }) => paths.includes(path) || paths.includes(`subsets.${subset}`));
  return harms.length === 0 ? undefined : [...new Set(harms.map(({ text }) => text))].join('; ');
}
