import { closed, count, type Schema, setOf } from './schema-parts';

const MOST_IGNORED = 100;

/** Of the `mirror` of a route. `to`: what the route's own `to` takes. */
export function mirrorSchema(to: Schema): Schema {
  const path: Schema = {
    title: 'names of fields with dots between them, * for each item of a list',
    pattern: '^[^.\\s]{1,128}(\\.[^.\\s]{1,128}){0,15}$',
  };
  return closed(
    {
      to,
      percent: { type: 'number', minimum: 0, maximum: 100, description: 'in steps of 0.01; default 100' },
      maxInFlight: { ...count(1, 10_000), description: 'copies in flight of each client at the service; default 100' },
      timeoutMs: {
        type: 'number',
        exclusiveMinimum: 0,
        maximum: 2_147_483_647,
        description: 'longest time for a copy, which never has more than its call; default 10000',
      },
      compare: {
        type: ['boolean', 'object'],
        additionalProperties: false,
        properties: { ignore: setOf(path, { maxItems: MOST_IGNORED }) },
        description: 'compares the answers of calls and copies by field; default false',
      },
    },
    { required: ['to'], description: 'of methods with a single response' },
  );
}
