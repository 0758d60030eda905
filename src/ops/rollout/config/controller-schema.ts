import { closed, listOf, type Schema, shortName } from '../../../policy/schema-parts';

const timeoutMs: Schema = { type: 'number', minimum: 1, maximum: 600_000, description: 'milliseconds' };
const address: Schema = { type: 'string', minLength: 1, maxLength: 4_096 };
const request: Schema = {
  tokenEnv: {
    type: 'string',
    title: 'the name of an environment variable',
    pattern: '^[A-Za-z_][A-Za-z0-9_]{0,127}$',
  },
  tokenFile: { type: 'string', minLength: 1, maxLength: 4_096 },
  headers: {
    type: 'object',
    maxProperties: 50,
    propertyNames: {
      type: 'string',
      title: 'the name of a header: letters, digits, - _ .',
      pattern: '^[A-Za-z0-9._-]{1,128}$',
    },
    additionalProperties: {
      type: 'string',
      title: 'printable ASCII, at most 4096 characters',
      pattern: '^[ -~]{0,4096}$',
    },
  },
  timeoutMs,
};

const webhook: Schema = closed({ url: address, ...request }, { required: ['url'] });
const command: Schema = closed(
  { run: listOf({ type: 'string' }, { minItems: 1, maxItems: 100 }), timeoutMs },
  { required: ['run'] },
);
const prometheus: Schema = closed(
  {
    address,
    labels: {
      type: 'object',
      propertyNames: {
        type: 'string',
        title: 'a label of Prometheus: letters, digits and _',
        pattern: '^[A-Za-z_][A-Za-z0-9_]*$',
      },
      additionalProperties: { type: 'string' },
    },
    ...request,
  },
  { required: ['address'] },
);

const exactlyOne: Schema = { minProperties: 1, maxProperties: 1 };
const named = (item: Schema): Schema => ({
  type: 'object',
  maxProperties: 100,
  propertyNames: shortName,
  additionalProperties: item,
});

/**
 * The published JSON Schema of a controller's configuration, and what its structure is checked against.
 * `controller.schema.json` is this object, written out by its test.
 */
export const controllerSchema: Schema = {
  $schema: 'http://json-schema.org/draft-07/schema#',
  title: 'Graylane rollout controller',
  ...closed(
    {
      $schema: { type: 'string', description: 'for editors; not read' },
      schema: { const: 1 },
      providers: named(closed({ prometheus, webhook, command }, exactlyOne)),
      hooks: named(closed({ webhook, command }, exactlyOne)),
    },
    { required: ['schema'] },
  ),
};
