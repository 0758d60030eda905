import { ownValue } from '../plain-data';
import { MISSING, note, type ProblemList } from '../problems';
import type { Schema } from '../schema-parts';
import { describeSchema, expectationOf } from './expectation';
import { checkJsonSchema, type Violation } from './json-schema';
import { propertiesOf } from './schema-lookup';
import { adviseOnKey, type Synonyms } from './unknown-key';

export interface StructureRules {
  readonly schema: Schema;
  /** Of keys that people bring along from elsewhere. */
  readonly synonyms: Synonyms;
  /** How a violation is described where this schema uses a keyword in its own way; undefined: as any other. */
  describe(violation: Violation): { readonly value: unknown; readonly expected: string } | undefined;
}

/** Returns a function that checks a document against a JSON Schema and reports all that does not fit. */
export function createStructureCheck(rules: StructureRules): (document: unknown, problems: ProblemList) => void {
  return (document, problems) =>
    checkJsonSchema(rules.schema, document, (violation) => {
      if (problems.isFull) problems.more();
      else report(violation, rules, problems);
    });
}

function report(violation: Violation, rules: StructureRules, problems: ProblemList): void {
  const { keyword, path, schema, value, key = '', name } = violation;
  const described = rules.describe(violation);
  if (described !== undefined) {
    problems.report(path, described.value, described.expected);
    return;
  }
  switch (keyword) {
    case 'if':
    case 'propertyNames':
      // Each comes with another violation that says what is wrong.
      return;
    case 'additionalProperties':
      problems.report([...path, key], ownValue(value, key), adviseOnKey(key, schema, rules.synonyms));
      return;
    case 'required':
      problems.report([...path, key], MISSING, describeSchema(ownValue(propertiesOf(schema), key)));
      return;
    default:
      if (name === undefined) problems.report(path, shown(violation), expectationOf(violation));
      else problems.report([...path, name], note('this name'), expectationOf(violation));
  }
}

function shown({ keyword, value }: Violation): unknown {
  return keyword === 'maxItems' && Array.isArray(value) ? note(`${value.length} entries`) : value;
}
