import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv';
import type { DocumentPath } from '../document-path';
import { ownValue } from '../plain-data';
import { MISSING, note, type ProblemList } from '../problems';
import { describeSchema, expectationOf } from './expectation';
import { propertiesOf } from './schema-lookup';
import { adviseOnKey, type Synonyms } from './unknown-key';

export interface StructureRules {
  readonly schema: Readonly<Record<string, unknown>>;
  /** Of keys that people bring along from elsewhere. */
  readonly synonyms: Synonyms;
  /** How this schema's own uses of a keyword are told; undefined: as any other. */
  tell(error: ErrorObject): { readonly value: unknown; readonly expected: string } | undefined;
}

/** What holds a document against a JSON Schema and reports all that does not fit. */
export function createStructureCheck(rules: StructureRules): (document: unknown, problems: ProblemList) => void {
  let compiled: ValidateFunction | undefined;
  return (document, problems) => {
    // Costs tens of milliseconds, so only processes that see such a document pay, once.
    compiled ??= new Ajv({
      allErrors: true,
      verbose: true,
      ownProperties: true,
      allowUnionTypes: true,
      strictTypes: false,
      strictRequired: false,
    }).compile(rules.schema);
    if (compiled(document)) return;
    for (const error of compiled.errors ?? []) {
      // The alternatives of oneOf and anyOf are told in one line by the keyword itself.
      if (/\/(oneOf|anyOf)\/\d/.test(error.schemaPath)) continue;
      if (problems.isFull) problems.more();
      else report(error, pathOf(error.instancePath, document), rules, problems);
    }
  };
}

function report(error: ErrorObject, path: DocumentPath, rules: StructureRules, problems: ProblemList): void {
  const params: Readonly<Record<string, unknown>> = error.params;
  const told = rules.tell(error);
  if (told !== undefined) {
    problems.report(path, told.value, told.expected);
    return;
  }
  switch (error.keyword) {
    case 'if':
    case 'propertyNames':
      // Each comes with another error that says what is wrong.
      return;
    case 'additionalProperties': {
      const key = String(params['additionalProperty']);
      const advice = adviseOnKey(key, error.parentSchema, rules.synonyms);
      problems.report([...path, key], ownValue(error.data, key), advice);
      return;
    }
    case 'required': {
      const key = String(params['missingProperty']);
      problems.report([...path, key], MISSING, describeSchema(ownValue(propertiesOf(error.parentSchema), key)));
      return;
    }
    default:
      if (error.propertyName === undefined) problems.report(path, shown(error), expectationOf(error));
      else problems.report([...path, error.propertyName], note('this name'), expectationOf(error));
  }
}

function shown(error: ErrorObject): unknown {
  if (error.keyword === 'maxItems' && Array.isArray(error.data)) return note(`${error.data.length} entries`);
  return error.data;
}

/** From a JSON pointer; the document tells whether `0` is a list's index or an object's key. */
function pathOf(pointer: string, document: unknown): DocumentPath {
  const path: (string | number)[] = [];
  let value: unknown = document;
  for (const escaped of pointer.split('/').slice(1)) {
    const part = escaped.replaceAll('~1', '/').replaceAll('~0', '~');
    path.push(Array.isArray(value) ? Number(part) : part);
    value = ownValue(value, part);
  }
  return path;
}
