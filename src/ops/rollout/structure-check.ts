import type { ErrorObject } from 'ajv';
import { isRecord } from '../../base/is-record';
import { ownValue } from '../../policy/plain-data';
import { note, type ProblemList } from '../../policy/problems';
import type { Schema } from '../../policy/schema-parts';
import { createStructureCheck } from '../../policy/validation/hold-against-schema';
import { propertiesOf } from '../../policy/validation/schema-lookup';
import type { Synonyms } from '../../policy/validation/unknown-key';

/**
 * Creates a check of a rollout, or of a controller's configuration, against its JSON Schema. The check reports every
 * problem.
 */
export function createRolloutStructureCheck(
  schema: Schema,
  synonyms: Synonyms,
): (document: unknown, problems: ProblemList) => void {
  return createStructureCheck({
    schema,
    synonyms,
    tell(error) {
      const name = ownValue(error.parentSchema, 'title');
      if (error.keyword === 'type' && isRecord(error.data) && typeof name === 'string') {
        // Only the keys: the value may be an address with a secret.
        return { value: note(`an object of ${namesIn(error.data)}`), expected: name };
      }
      if (error.keyword !== 'minProperties' && error.keyword !== 'maxProperties') return undefined;
      const keys = Object.keys(propertiesOf(error.parentSchema));
      if (keys.length === 0 && error.keyword === 'maxProperties') {
        return {
          value: note(`${Object.keys(error.data as object).length} entries`),
          expected: `at most ${error.schema}`,
        };
      }
      return {
        value: note(namesIn(error.data)),
        expected: keys.length === 0 ? 'at least one condition' : countOf(error, keys),
      };
    },
  });
}

function countOf(error: ErrorObject, keys: readonly string[]): string {
  const isExact = ownValue(error.parentSchema, 'maxProperties') === 1;
  return `${isExact ? 'exactly one' : 'at least one'} of ${keys.join(', ')}`;
}

function namesIn(value: unknown): string {
  const keys = typeof value === 'object' && value !== null ? Object.keys(value) : [];
  return keys.length === 0 ? 'empty' : keys.slice(0, 5).join(' and ');
}
