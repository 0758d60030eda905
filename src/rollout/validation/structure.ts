import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv';
import type { DocumentPath } from '../../policy/document-path';
import { ownValue } from '../../policy/plain-data';
import { MISSING, note, type ProblemList } from '../../policy/problems';
import { describeSchema, expectationOf } from '../../policy/validation/expectation';
import { propertiesOf } from '../../policy/validation/schema-lookup';
import { rolloutSchema } from '../rollout-schema';
import { adviseOnRolloutKey } from './unknown-key';

let compiled: ValidateFunction | undefined;

/** Made when a rollout is first seen: compiling costs tens of milliseconds. */
function validator(): ValidateFunction {
  compiled ??= new Ajv({
    allErrors: true,
    verbose: true,
    ownProperties: true,
    allowUnionTypes: true,
    strictTypes: false,
    strictRequired: false,
    strictSchema: false,
  }).compile(rolloutSchema);
  return compiled;
}

/** Holds a document against the JSON Schema and reports all that does not fit. */
export function checkRolloutStructure(document: unknown, problems: ProblemList): void {
  const validate = validator();
  if (validate(document)) return;
  for (const error of validate.errors ?? []) reportError(error, pathOf(error.instancePath, document), problems);
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
      problems.report([...path, key], ownValue(error.data, key), adviseOnRolloutKey(key, error.parentSchema));
      return;
    }
    case 'required': {
      const key = String(params['missingProperty']);
      problems.report([...path, key], MISSING, describeMissing(ownValue(propertiesOf(error.parentSchema), key)));
      return;
    }
    case 'oneOf':
      // Only in the match of a route, which the policy's schema describes.
      problems.report(path, error.data, 'exactly one of the alternatives');
      return;
    case 'exclusiveMaximum':
      problems.report(path, error.data, `< ${String(error.schema)}`);
      return;
    case 'minProperties':
    case 'maxProperties': {
      const keys = Object.keys(propertiesOf(error.parentSchema));
      const which = keys.length === 0 ? 'at least one condition' : countOf(error, keys);
      problems.report(path, note(namesIn(error.data)), which);
      return;
    }
    default:
      if (error.propertyName === undefined) problems.report(path, error.data, expectationOf(error));
      else problems.report([...path, error.propertyName], note('this name'), expectationOf(error));
  }
}

/** A choice has no type of its own to be described by. */
function describeMissing(schema: unknown): string {
  const choices = ownValue(schema, 'enum');
  return Array.isArray(choices) ? `one of ${choices.join(', ')}` : describeSchema(schema);
}

function countOf(error: ErrorObject, keys: readonly string[]): string {
  const isExact = ownValue(error.parentSchema, 'maxProperties') === 1;
  return `${isExact ? 'exactly one' : 'at least one'} of ${keys.join(', ')}`;
}

function namesIn(value: unknown): string {
  const keys = typeof value === 'object' && value !== null ? Object.keys(value) : [];
  return keys.length === 0 ? 'empty' : keys.slice(0, 5).join(' and ');
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
