import { matchDefinitions, matchSchema } from '../policy/policy-schema';
import { closed, count, listOf, type Schema, shortName } from '../policy/schema-parts';
import { STATUS_NAMES } from '../policy/status-names';

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
const tokenEnv: Schema = {
  type: 'string',
  title: 'the name of an environment variable',
  pattern: '^[A-Za-z_][A-Za-z0-9_]{0,127}$',
};
const timeoutMs: Schema = { type: 'number', minimum: 1, maximum: 600_000, description: 'milliseconds' };
const text: Schema = { type: 'string', minLength: 1, maxLength: 4_096 };

const webhook: Schema = closed({ url: text, tokenEnv, timeoutMs }, { required: ['url'] });
const command: Schema = closed(
  { run: listOf({ type: 'string' }, { minItems: 1, maxItems: 100 }), timeoutMs },
  { required: ['run'] },
);
const prometheus: Schema = closed(
  {
    address: text,
    query: text,
    labels: {
      type: 'object',
      propertyNames: {
        type: 'string',
        title: 'a label of Prometheus: letters, digits and _',
        pattern: '^[A-Za-z_][A-Za-z0-9_]*$',
      },
      additionalProperties: { type: 'string' },
    },
    failureStatusCodes: listOf({ enum: STATUS_NAMES }, { minItems: 1, uniqueItems: true }),
    tokenEnv,
    timeoutMs,
  },
  { required: ['address'] },
);
const provider: Schema = closed({ prometheus, webhook, command }, exactlyOne);

const failureLimit: Schema = count(0);
/** The keys of a check depend on what it checks, so each kind is a schema of its own. */
const kinds: Readonly<Record<string, Schema>> = {
  'request-success-rate': closed({
    check: {},
    threshold: { type: 'number', exclusiveMinimum: 0, exclusiveMaximum: 100, description: 'percentage points' },
  }),
  'request-duration': closed({
    check: {},
    quantile: { enum: ['p50', 'p95', 'p99'] },
    factor: { type: 'number', minimum: 1, maximum: 1_000 },
  }),
  'breaker-open': closed({ check: {}, failureLimit }),
  value: closed(
    { check: {}, name: shortName, provider, successCondition: text, failureCondition: text, failureLimit },
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

const step: Schema = closed(
  {
    setWeight: { type: 'number', minimum: 0, maximum: 100, description: 'percent of the calls of the route' },
    pause: closed({ durationMs: duration(1) }),
    analysis: closed(analysisKeys),
    setRoute: closed({ name: routeName, match: { ...matchSchema, minProperties: 1 } }, { required: ['name', 'match'] }),
  },
  exactlyOne,
);

/**
 * The published JSON Schema of a rollout document, and what its structure is checked against: the one place that says which
 * keys there are. What a schema cannot say (names given twice, conditions) is checked in `validation/`. `rollout.schema.json` is
 * this object, written out by its test.
 */
export const rolloutSchema: Schema = {
  $schema: 'http://json-schema.org/draft-07/schema#',
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
      analysis: closed({
        ...analysisKeys,
        background: { type: 'boolean' },
        falseAlarmRate: rate,
        missRate: rate,
        provider,
      }),
      notify: closed({ webhook, command }, { minProperties: 1 }),
    },
    { required: ['schema', 'service', 'canary', 'stable', 'steps'] },
  ),
  definitions: matchDefinitions,
};
