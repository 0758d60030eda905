import { isRecord } from '../../base/is-record';
import { ownValue } from '../plain-data';
import { policySchema } from '../policy-schema';

/** The object schema that `schema` stands for: references followed, and of `off or an object` the object. */
export function resolveSchema(schema: unknown): Readonly<Record<string, unknown>> {
  if (!isRecord(schema)) return {};
  const reference = schema['$ref'];
  if (typeof reference === 'string') {
    return resolveSchema(ownValue(policySchema['definitions'], reference.slice('#/definitions/'.length)));
  }
  return 'else' in schema ? resolveSchema(schema['else']) : schema;
}

/** Keys that an object schema knows, and the schema of each. */
export function propertiesOf(schema: unknown): Readonly<Record<string, unknown>> {
  const properties = resolveSchema(schema)['properties'];
  return isRecord(properties) ? properties : {};
}
