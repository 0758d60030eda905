import { STATUS_NAMES } from '../../base/status-names';
import { mirrorSchema } from '../../policy/mirror-schema';
import { matchDefinitions, matchSchema } from '../../policy/policy-schema';
import { closed, count, listOf, type Schema, shortName } from '../../policy/schema-parts';
import { approvalSchema, gateName, gateSchema, scheduleSchema } from './gates/gate-schema';

const duration = (minimum: number): Schema => ({
  type: 'number',
  minimum,
  maximum: 2_147_483_647,
  description: 'milliseconds',
});
const exactlyOne: Schema = { minProperties: 1, maxProperties: 1 };
const rate: Schema = { type: 'number', exclusiveMinimum: 0, maximum: 0.5 };

const service: Schema = {
  type: 'string',
  title: 'the name of a Consul service',
  pattern: '^[^\\s/\\u0000-\\u001f]{1,128}$',
};
const routeName: Schema = { type: 'string', minLength: 1, maxLength: 128 };
/** A name only. Its meaning is in the controller's configuration, out of reach of writers to Consul. */
const providerName: Schema = {
  ...shortName,
  title: 'the name (letters, digits, _ . -) of a provider in the configuration of the controller',
};
const hookName: Schema = {
  ...shortName,
  title: 'the name (letters, digits, _ . -) of a hook in the configuration of the controller',
};
const deploymentName: Schema = {
  ...shortName,
  title: 'the name (letters, digits, _ . -) of a deployment in the configuration of the controller',
};
const text: Schema = { type: 'string', minLength: 1, maxLength: 4_096 };

const failureLimit: Schema = count(0);
/** The keys of a check depend on what it checks, so each kind is a schema of its own. */
const kinds: Readonly<Record<string, Schema>> = {
  'request-success-rate': closed({
    check: {},
    threshold: { type: 'number', exclusiveMinimum: 0, exclusiveMaximum: 100, description: 'percentage points' },
    minimum: {
      type: 'number',
      exclusiveMinimum: 0,
      exclusiveMaximum: 100,
      description: 'percent of calls that succeed',
    },
  }),
  'request-duration': closed({
    check: {},
    quantile: { enum: ['p50', 'p95', 'p99'] },
    factor: { type: 'number', minimum: 1, maximum: 1_000 },
    maximumMs: { type: 'number', exclusiveMinimum: 0, maximum: 2_147_483_647, description: 'milliseconds' },
  }),
  'breaker-open': closed({ check: {}, failureLimit }),
  'mirror-compare': closed({
    check: {},
    maximum: {
      type: 'number',
      exclusiveMinimum: 0,
      exclusiveMaximum: 100,
      description: 'percent of compared calls whose answers differ',
    },
  }),
  value: closed(
    {
      check: {},
      name: shortName,
      provider: providerName,
      query: text,
      successCondition: text,
      failureCondition: text,
      failureLimit,
    },
    { required: ['name', 'provider'] },
  ),
};
const check: Schema = {
  type: 'object',
  required: ['check'],
  properties: { check: { enum: Object.keys(kinds) } },
  allOf: Object.entries(kinds).map(([kind, schema]) => ({
    if: { type: 'object', required: ['check'], properties: { check: { const: kind } } },
    // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema
    then: schema,
  })),
};

const analysisKeys: Schema = {
  intervalMs: duration(100),
  count: count(1),
  initialDelayMs: duration(0),
  minimumCalls: count(1),
  consecutiveErrorLimit: count(0),
  inconclusiveLimit: count(0),
  acceptance: { enum: ['proven', 'unrefuted'] },
  checks: listOf(check, { minItems: 1, maxItems: 50 }),
};

/** That of a policy, but for where it leads. */
const { to: _to, ...ofMirror } = mirrorSchema({})['properties'] as Schema;
const setMirror: Schema = closed(ofMirror, { required: ['percent'] });

const step: Schema = closed(
  {
    setWeight: { type: 'number', minimum: 0, maximum: 100, description: 'percent of the calls of the route' },
    pause: closed({ durationMs: duration(1) }),
    analysis: closed(analysisKeys),
    setRoute: closed({ name: routeName, match: { ...matchSchema, minProperties: 1 } }, { required: ['name', 'match'] }),
    clearRoute: routeName,
    setMirror,
    gate: gateName,
    approval: approvalSchema,
  },
  exactlyOne,
);

/**
 * The published JSON Schema of a rollout document, which its structure is checked against. No key may name an address,
 * a file, a variable or a program: the controller's configuration names those. `validate.ts` checks what a schema
 * cannot express (names given twice, conditions). The build writes it to `rollout.schema.json`.
 */
export const rolloutSchema: Schema = {
  $schema: 'http://json-schema.org/draft-07/schema#',
  $id: 'urn:graylane:schema:rollout:1',
  title: 'Graylane rollout',
  ...closed(
    {
      $schema: { type: 'string', description: 'for editors; not read' },
      schema: { const: 1 },
      service,
      canary: shortName,
      stable: shortName,
      route: routeName,
      steps: listOf(step, { minItems: 1, maxItems: 100 }),
      maxLoadFactor: { type: 'number', exclusiveMinimum: 0, maximum: 1_000 },
      onSuccess: { enum: ['keep', 'promote'] },
      deployment: deploymentName,
      analysis: closed({
        ...analysisKeys,
        background: { type: 'boolean' },
        falseAlarmRate: rate,
        missRate: rate,
        provider: providerName,
        failureStatusCodes: listOf({ enum: STATUS_NAMES }, { minItems: 1, uniqueItems: true }),
      }),
      notify: listOf(hookName, {
        title: 'a list of names of hooks in the configuration of the controller',
        minItems: 1,
        maxItems: 10,
        uniqueItems: true,
      }),
      gates: listOf(gateSchema, { minItems: 1, maxItems: 20 }),
      schedule: scheduleSchema,
    },
    { required: ['schema', 'service', 'canary', 'stable', 'steps'] },
  ),
  definitions: matchDefinitions,
};

/** Answer for keys that would let a rollout choose what its controller reaches. */
const REACHED =
  'the configuration of the controller says that; a rollout gives a name: provider, gate, deployment, notify';

/** Keys of Argo Rollouts and Flagger, and the keys that replace them here. */
export const SYNONYMS: Readonly<Record<string, string>> = {
  interval: 'here intervalMs, in milliseconds',
  initialDelay: 'here initialDelayMs, in milliseconds',
  duration: 'here durationMs, in milliseconds',
  timeout: 'here timeoutMs, in milliseconds',
  setCanaryScale: 'instances are scaled elsewhere; maxLoadFactor waits for them',
  setMirrorRoute: 'here setMirror: { percent }',
  mirror: 'here setMirror: { percent }',
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
  webhooks: 'here gates, notify: [NAME], or a check with a provider; the configuration of the controller names them',
  alerts: 'here notify',
  limit: 'here failureLimit',
  inconclusive: 'here inconclusiveLimit',
  url: REACHED,
  address: REACHED,
  host: REACHED,
  token: REACHED,
  tokenEnv: REACHED,
  tokenFile: REACHED,
  password: REACHED,
  bearerToken: REACHED,
  secretRef: REACHED,
  env: REACHED,
  headers: REACHED,
  prometheus: REACHED,
  webhook: REACHED,
  command: REACHED,
  nomad: 'here deployment: NAME; the configuration of the controller says which Nomad that is',
  job: REACHED,
  run: REACHED,
  skipAnalysis: 'leave the analysis steps out, and background: false',
  version: 'here schema: 1',
  apiVersion: 'here schema: 1',
  kind: 'a rollout has no kind',
  spec: 'its contents stand on the rollout itself',
};
