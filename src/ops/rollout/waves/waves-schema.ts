import { matchDefinitions } from '../../../policy/policy-schema';
import { closed, listOf, type Schema, shortName } from '../../../policy/schema-parts';
import { rolloutSchema } from '../rollout-schema';

const ofRollout = rolloutSchema['properties'] as Readonly<Record<string, Schema>>;
const { $schema, schema, service, ...shared } = ofRollout;

const rollout: Schema = { $ref: '#/definitions/rollout' };
const bakeMs: Schema = { type: 'number', minimum: 0, maximum: 2_147_483_647, description: 'milliseconds' };
const datacenter: Schema = {
  type: 'string',
  title: 'the name of a datacenter',
  pattern: '^[A-Za-z0-9_][A-Za-z0-9_-]{0,63}$',
};
const member: Schema = closed({ service: service as Schema, datacenter, rollout }, { required: ['service'] });
const wave: Schema = closed(
  { members: listOf(member, { minItems: 1, maxItems: 50 }), bakeMs },
  { required: ['members'] },
);

/**
 * The published JSON Schema of a document of waves. `validate.ts` checks what a schema cannot express. The build writes
 * it to `waves.schema.json`.
 */
export const wavesSchema: Schema = {
  $schema: 'http://json-schema.org/draft-07/schema#',
  $id: 'urn:graylane:schema:waves:1',
  title: 'Graylane rollouts in waves',
  ...closed(
    {
      $schema: $schema as Schema,
      schema: schema as Schema,
      name: shortName,
      rollout,
      waves: listOf(wave, { minItems: 1, maxItems: 50 }),
      bakeMs,
      onFailure: { enum: ['stop', 'take-back-all'] },
    },
    { required: ['schema', 'name', 'waves'] },
  ),
  definitions: { ...matchDefinitions, rollout: closed(shared) },
};

/** Keys that people bring along, and the keys that replace them here. */
export const WAVE_SYNONYMS: Readonly<Record<string, string>> = {
  dc: 'here datacenter',
  datacenters: 'here a member for each: waves: [{ members: [{ service, datacenter }] }]',
  clusters: 'here a member for each: waves: [{ members: [{ service, datacenter }] }]',
  services: 'here a member for each: waves: [{ members: [{ service }] }]',
  order: 'the order of waves is that of the list',
  bakeTime: 'here bakeMs, in milliseconds',
  soak: 'here bakeMs, in milliseconds',
  stages: 'here waves',
  steps: 'here rollout: { steps }',
  canary: 'here rollout: { canary }',
  stable: 'here rollout: { stable }',
  analysis: 'here rollout: { analysis }',
};
