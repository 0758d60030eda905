import { isRecord } from '../../base/is-record';
import { note, type ProblemList } from '../../policy/problems';
import type { Schema } from '../../policy/schema-parts';
import { checkStructure, propertiesOf, type StructureRules } from '../../policy/validation/structure-check';

/**
 * Creates a check of a rollout, or of a controller's configuration, against its JSON Schema. The check reports every
 * problem.
 */
export function createRolloutStructureCheck(
  schema: Schema,
  synonyms: StructureRules['synonyms'],
): (document: unknown, problems: ProblemList) => void {
  const rules: StructureRules = {
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
  };
  return (document, problems) => void checkStructure(document, rules, problems);
}

function countOf(schema: Schema, keys: readonly string[]): string {
  const isExact = schema['maxProperties'] === 1;
  return `${isExact ? 'exactly one' : 'at least one'} of ${keys.join(', ')}`;
}

function namesIn(value: unknown): string {
  const keys = typeof value === 'object' && value !== null ? Object.keys(value) : [];
  return keys.length === 0 ? 'empty' : keys.slice(0, 5).join(' and ');
}
