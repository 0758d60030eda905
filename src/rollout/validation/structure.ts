import type { ErrorObject } from 'ajv';
import { ownValue } from '../../policy/plain-data';
import { note, type ProblemList } from '../../policy/problems';
import { createStructureCheck } from '../../policy/validation/hold-against-schema';
import { propertiesOf } from '../../policy/validation/schema-lookup';
import { rolloutSchema } from '../rollout-schema';
import { synonymOf } from './synonyms';

/** Holds a rollout against its JSON Schema and reports all that does not fit. */
export const checkRolloutStructure: (document: unknown, problems: ProblemList) => void = createStructureCheck({
  schema: rolloutSchema,
  synonyms: synonymOf,
  tell(error) {
    if (error.keyword !== 'minProperties' && error.keyword !== 'maxProperties') return undefined;
    const keys = Object.keys(propertiesOf(error.parentSchema));
    return {
      value: note(namesIn(error.data)),
      expected: keys.length === 0 ? 'at least one condition' : countOf(error, keys),
    };
  },
});

function countOf(error: ErrorObject, keys: readonly string[]): string {
  const isExact = ownValue(error.parentSchema, 'maxProperties') === 1;
  return `${isExact ? 'exactly one' : 'at least one'} of ${keys.join(', ')}`;
}

function namesIn(value: unknown): string {
  const keys = typeof value === 'object' && value !== null ? Object.keys(value) : [];
  return keys.length === 0 ? 'empty' : keys.slice(0, 5).join(' and ');
}
