import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv';
import type { DocumentPath } from '../document-path';
import { ownValue } from '../plain-data';
import { policySchema } from '../policy-schema';
import { MISSING, note, type ProblemList } from '../problems';
import { describeSchema, expectationOf } from './expectation';
import { propertiesOf } from './schema-lookup';
import { adviseOnKey } from './unknown-key';

let compiled: ValidateFunction | undefined;

/** Compiling the schema costs tens of milliseconds, so only processes that see a policy pay, once. */
function validator(): ValidateFunction {
  compiled ??= new Ajv({
    allErrors: true,
    verbose: true,
    ownProperties: true,
    allowUnionTypes: true,
    strictTypes: false,
    strictRequired: false,
  }).compile(policySchema);
  return compiled;
}

/** Holds a document against the JSON Schema and reports all that does not fit. */
export function checkStructure(document: unknown, problems: ProblemList): void {
  const validate = validator();
  if (validate(document)) return;
  for (const error of validate.errors ?? []) {
    // The alternatives of oneOf and anyOf are told in one line by the keyword itself.
    if (/\/(oneOf|anyOf)\/\d/.test(error.schemaPath)) continue;
    reportError(error, pathOf(error.instancePath, document), problems);
  }
}

function reportError(error: ErrorObject, path: DocumentPath, problems: ProblemList): void {
  const params: Readonly<Record<string, unknown>> = error.params;
  switch (error.keyword) {
    case 'if':
    case 'propertyNames':
      // Each comes with another error that says what is wrong.
      return;
    case 'additionalProperties': {
      const key = String(params['additionalProperty']);
      problems.report([...path, key], ownValue(error.data, key), adviseOnKey(key, error.parentSchema));
      return;
    }
    case 'required': {
      const key = String(params['missingProperty']);
      problems.report([...path, key], MISSING, describeSchema(ownValue(propertiesOf(error.parentSchema), key)));
      return;
    }
    case 'oneOf': {
      const given = ownValue(error.data, 'to') === undefined ? 'neither to nor split' : 'both to and split';
      problems.report(path, note(given), 'exactly one of them');
      return;
    }
    case 'anyOf':
      problems.report(path, note('neither to nor datacenter'), 'one of them, or both');
      return;
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
