import { nearest } from '../../policy/spelling';
import { propertiesOf } from '../../policy/validation/schema-lookup';

/** Keys that people bring along from Argo Rollouts and Flagger, and what stands for them here. */
const SYNONYMS: ReadonlyMap<string, string> = new Map(
  Object.entries({
    interval: 'here intervalMs, in milliseconds',
    initialDelay: 'here initialDelayMs, in milliseconds',
    duration: 'here durationMs, in milliseconds',
    timeout: 'here timeoutMs, in milliseconds',
    setCanaryScale: 'instances are scaled elsewhere; maxLoadFactor waits for them',
    setHeaderRoute: 'here setRoute: { name, match: { labels } }',
    experiment: 'no such step; use analysis',
    templates: 'here checks, in the analysis itself',
    metrics: 'here checks',
    metric: 'here check',
    metricName: 'here name',
    templateRef: 'here provider, in the check itself',
    threshold: 'the number of failures stands in failureLimit; of failing calls in the check request-success-rate',
    thresholdRange: 'here successCondition, such as result < 0.05',
    stepWeight: 'here steps: [{ setWeight }]',
    stepWeights: 'here steps: [{ setWeight }]',
    maxWeight: 'here steps: [{ setWeight }]',
    weight: 'here setWeight',
    canarySubset: 'here canary',
    stableSubset: 'here stable',
    canaryService: 'here canary, a subset of the service',
    stableService: 'here stable, a subset of the service',
    webhooks: 'here notify: { webhook }, or a check with the provider webhook',
    alerts: 'here notify',
    limit: 'here failureLimit',
    inconclusive: 'here inconclusiveLimit',
    url: 'here address',
    host: 'here address',
    token: 'secrets stay out of documents: tokenEnv names an environment variable',
    password: 'secrets stay out of documents: tokenEnv names an environment variable',
    bearerToken: 'secrets stay out of documents: tokenEnv names an environment variable',
    skipAnalysis: 'leave the analysis steps out, and background: false',
    version: 'here schema: 1',
    apiVersion: 'here schema: 1',
    kind: 'a rollout has no kind',
    spec: 'its contents stand on the rollout itself',
  }).map(([key, answer]) => [key.toLowerCase(), answer]),
);

/** What to tell somebody who wrote a key that the object does not have. */
export function adviseOnRolloutKey(key: string, objectSchema: unknown): string {
  const known = propertiesOf(objectSchema);
  const names = Object.keys(known).filter((name) => name !== '$schema');
  const home = names.find((name) => Object.hasOwn(propertiesOf(known[name]), key));
  if (home !== undefined) return `a known key; ${key} stands inside ${home}`;
  const synonym = SYNONYMS.get(key.toLowerCase());
  if (synonym !== undefined) return `a known key; ${synonym}`;
  const meant = nearest(key, names);
  return meant === undefined ? `a known key: ${names.join(', ')}` : `a known key; did you mean ${meant}?`;
}
