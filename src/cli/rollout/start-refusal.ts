import { judgeEffect } from '../../ops/effect/effect';
import type { RolloutDocument } from '../../ops/rollout/document';
import { canaryWeight } from '../../ops/rollout/policy-change';
import { compileStored, parseStored } from '../../ops/store/policy-text';
import type { PolicyDocument } from '../../policy/document';
import { PolicyError } from '../../policy/policy-error';
import { readRegistryView } from '../consul/registry-view';
import type { StoreSession } from '../consul/store-session';

/**
 * Why a rollout should not be started: canary or stable has no instances, both have the same, or they are swapped.
 * Undefined: it may be. `datacenter`: of the policy, undefined is the agent's own. Rejects when Consul does not answer.
 */
export async function startRefusal(
  rollout: RolloutDocument,
  datacenter: string | undefined,
  { connection, policies }: Pick<StoreSession, 'connection' | 'policies'>,
): Promise<string | undefined> {
  const { service, canary, stable } = rollout;
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
  const texts = new Set(harms.map(({ text }) => text));
  const swapped = swappedIn(parseStored(policy.text) as PolicyDocument, rollout);
  if (swapped !== undefined) texts.add(swapped);
  return texts.size === 0 ? undefined : [...texts].join('; ');
}

/**
 * A step that leaves the default less than it has, where it has most: nearly all calls would go to the real canary at
 * once. (A canary that has all since its last rollout begins anew with few.)
 */
function swappedIn(document: PolicyDocument, rollout: RolloutDocument): string | undefined {
  const { canary, stable, steps } = rollout;
  if (document.default !== canary) return undefined;
  const first = steps.map((step) => ('setWeight' in step ? step.setWeight : undefined)).find((it) => it !== undefined);
  const weight = canaryWeight(document, rollout);
  const stableWeight = canaryWeight(document, { ...rollout, canary: stable, stable: canary });
  // Without a split between the two, the default has all.
  const now = weight === 0 && stableWeight === 0 ? 100 : weight;
  if (first === undefined || now < 50 || first >= now) return undefined;
  const has = Number(now.toFixed(2));
  return `${canary} has ${has} % of the calls now, and the first step leaves it ${first} %: are canary and stable swapped?`;
}
