import { STATUS_NAMES } from '../../base/status-names';
import { matchDefinitions, matchSchema } from '../../policy/policy-schema';
import { closed, count, listOf, type Schema, shortName } from '../../policy/schema-parts';

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
/** A name alone: what it stands for is said where the controller runs, out of reach of whoever may write to Consul. */
const providerName: Schema = {
  ...shortName,
  title: 'the name (letters, digits, _ . -) of a provider in the configuration of the controller',
};
const hookName: Schema = {
  ...shortName,
  title: 'the name (letters, digits, _ . -) of a hook in the configuration of the controller',
};
const text: Schema = { type: 'string', minLength: 1, maxLength: 4_096 };

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
 * keys there are. No key may say an address, a file, a variable or a program: those are the controller's to name. What a schema
 * cannot say (names given twice, conditions) is checked in `validation/`. `rollout.schema.json` is
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
        provider: providerName,
        failureStatusCodes: listOf({ enum: STATUS_NAMES }, { minItems: 1, uniqueItems: true }),
      }),
      notify: listOf(hookName, {
        title: 'a list of names of hooks in the configuration of the controller',
        minItems: 1,
        maxItems: 10,
        uniqueItems: true,
      }),
    },
    { required: ['schema', 'service', 'canary', 'stable', 'steps'] },
  ),
  definitions: matchDefinitions,
};
