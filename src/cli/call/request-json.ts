import type { MessageTypeDefinition, PackageDefinition } from '@grpc/proto-loader';
import { isRecord } from '../../base/is-record';
import { nearest } from '../../base/spelling';
import { CommandError } from '../command-error';

interface Field {
  readonly name: string;
  readonly typeName: string;
}

/** What is read of a DescriptorProto. */
interface Descriptor {
  readonly field?: readonly Field[];
}

type Messages = MessageTypeDefinition<object, object>;

/**
 * A request out of JSON: field names as in the .proto file or in lowerCamelCase. A field that the message does not have is a
 * slip of the pen, which the wire format would swallow. Throws a CommandError.
 */
export function requestsFrom(json: string, type: Messages, types: PackageDefinition): readonly object[] {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new CommandError(2, `--data: ${why} (expected: JSON)`);
  }
  const each = Array.isArray(value) ? value : [value];
  return each.map((one, at) => {
    const path = Array.isArray(value) ? `[${at}]` : '';
    if (!isRecord(one)) throw new CommandError(2, `--data${path}: ${JSON.stringify(one)} (expected: an object)`);
    return checked(one, type, types, path);
  });
}

function checked(
  value: Readonly<Record<string, unknown>>,
  type: Messages,
  types: PackageDefinition,
  path: string,
): object {
  const { field: fields = [] } = type.type as Descriptor;
  const result: Record<string, unknown> = {};
  for (const [key, inner] of Object.entries(value)) {
    const field = fields.find(({ name }) => name === key || camelCase(name) === key || name === snakeCase(key));
    if (field === undefined) {
      const known = fields.map(({ name }) => camelCase(name));
      const meant = nearest(key, known);
      throw new CommandError(
        2,
        `--data${path}.${key}: no such field (expected: one of ${known.join(', ') || 'none: the message is empty'})`,
        meant === undefined ? undefined : `did you mean ${meant}?`,
      );
    }
    // Under the name that the definition gives it: files on disk are read with camelCase, a server's are as they are.
    result[field.name] = nested(inner, messageOf(field, types), types, `${path}.${key}`);
  }
  return result;
}

/** A map is left as it is: its keys are no fields. */
function nested(value: unknown, type: Messages | undefined, types: PackageDefinition, path: string): unknown {
  if (type === undefined) return value;
  if (Array.isArray(value)) return value.map((each, at) => nested(each, type, types, `${path}[${at}]`));
  return isRecord(value) ? checked(value, type, types, path) : value;
}

/**
 * Undefined: an enum, a map, no message at all, or one that cannot be told, since descriptors name types relatively and two
 * have this name.
 */
function messageOf({ typeName }: Field, types: PackageDefinition): Messages | undefined {
  const name = typeName.replace(/^\./, '');
  if (name === '') return undefined;
  const fitting = Object.keys(types).filter((each) => each === name || each.endsWith(`.${name}`));
  const found = fitting.length === 1 ? types[fitting[0] ?? ''] : undefined;
  if (found === undefined || !('format' in found) || !('serialize' in found)) return undefined;
  const { options } = found.type as { readonly options?: { readonly mapEntry?: boolean } | null };
  return options?.mapEntry === true ? undefined : (found as Messages);
}

/** As protobufjs does it. */
function camelCase(name: string): string {
  return name.slice(0, 1) + name.slice(1).replace(/_([a-z])(?=[a-z]|$)/g, (_, letter: string) => letter.toUpperCase());
}

function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
