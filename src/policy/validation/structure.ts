import { ownValue } from '../plain-data';
import { policySchema } from '../policy-schema';
import { note, type ProblemList } from '../problems';
import { synonymOf } from '../synonyms';
import { createStructureCheck } from './structure-check';

/** Holds a policy against its JSON Schema and reports all that does not fit. */
export const checkStructure: (document: unknown, problems: ProblemList) => void = createStructureCheck({
  schema: policySchema,
  // Called, not handed over: the table is loaded for the first unknown key (scripts/bundle.mjs).
  synonyms: (key) => synonymOf(key),
  describe(violation) {
    switch (violation.keyword) {
      case 'oneOf': {
        const given = ownValue(violation.value, 'to') === undefined ? 'neither to nor split' : 'both to and split';
        return { value: note(given), expected: 'exactly one of them' };
      }
      case 'anyOf':
        return { value: note('neither to nor datacenter'), expected: 'one of them, or both' };
      default:
        return undefined;
    }
  },
});
