import { isRecord } from '../../base/is-record';
import { note, type ProblemList } from '../../policy/problems';
import type { Schema } from '../../policy/schema-parts';
import { propertiesOf } from '../../policy/validation/schema-lookup';
import { createStructureCheck } from '../../policy/validation/structure-check';
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
    describe(violation) {
      const { keyword, schema: part, value, limit } = violation;
      const name = part['title'];
      if (keyword === 'type' && isRecord(value) && typeof name === 'string') {
        // Only the keys: the value may be an address with a secret.
        return { value: note(`an object of ${namesIn(value)}`), expected: name };
      }
      if (keyword !== 'minProperties' && keyword !== 'maxProperties') return undefined;
      const keys = Object.keys(propertiesOf(part));
      if (keys.length === 0 && keyword === 'maxProperties') {
        return {
          value: note(`${Object.keys(value as object).length} entries`),
          expected: `at most ${limit}`,
        };
      }
      return {
        value: note(namesIn(value)),
        expected: keys.length === 0 ? 'at least one condition' : countOf(part, keys),
      };
    },
  });
}

function countOf(schema: Schema, keys: readonly string[]): string {
  const isExact = schema['maxProperties'] === 1;
  return `${isExact ? 'exactly one' : 'at least one'} of ${keys.join(', ')}`;
}

function namesIn(value: unknown): string {
  const keys = typeof value === 'object' && value !== null ? Object.keys(value) : [];
  return keys.length === 0 ? 'empty' : keys.slice(0, 5).join(' and ');
}
