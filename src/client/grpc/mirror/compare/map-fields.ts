import { type FieldNames, plain } from './differing-fields';

/*
 * A decoder gives a map as a plain object whose keys are data. Definitions of @grpc/proto-loader carry the descriptors
 * of their files, which say which fields are maps: https://protobuf.dev/programming-guides/proto3/#maps
 */

const LENGTH_DELIMITED = 2;
/** descriptor.proto: of FileDescriptorProto, DescriptorProto, FieldDescriptorProto and MessageOptions. */
const FILE_MESSAGES = 4;
const MESSAGE = { name: 1, fields: 2, nested: 3, options: 7 } as const;
const FIELD = { name: 1, typeName: 6 } as const;
const MAP_ENTRY = 7;

const UNKNOWN: FieldNames = { isMap: () => false, areMapsKnown: false };
const known = new WeakMap<object, FieldNames>();

/** `responseType`: of a method's definition. A field counts as a map where a map has its name in any message. */
export function fieldNamesOf(responseType: unknown): FieldNames {
  const { fileDescriptorProtos: files } = (responseType ?? {}) as { readonly fileDescriptorProtos?: unknown };
  if (!Array.isArray(files)) return UNKNOWN;
  const before = known.get(files);
  if (before !== undefined) return before;
  const names = new Set<string>();
  try {
    for (const file of files as unknown[]) {
      if (!(file instanceof Uint8Array)) continue;
      for (const [number, bytes] of partsOf(Buffer.from(file))) if (number === FILE_MESSAGES) addMaps(bytes, names);
    }
  } catch {
    return UNKNOWN;
  }
  const found: FieldNames = { isMap: (field) => names.has(plain(field)), areMapsKnown: true };
  known.set(files, found);
  return found;
}

function addMaps(message: Buffer, names: Set<string>): void {
  const parts = partsOf(message);
  const entries: string[] = [];
  for (const [number, bytes] of parts) {
    if (number !== MESSAGE.nested) continue;
    const nested = partsOf(bytes);
    const options = nested.find(([part]) => part === MESSAGE.options)?.[1];
    if (options?.[0] === MAP_ENTRY << 3 && options[1] === 1) entries.push(textOf(nested, MESSAGE.name));
    else addMaps(bytes, names);
  }
  if (entries.length === 0) return;
  for (const [number, bytes] of parts) {
    if (number !== MESSAGE.fields) continue;
    const field = partsOf(bytes);
    const type = textOf(field, FIELD.typeName).split('.').at(-1) ?? '';
    if (entries.includes(type)) names.add(plain(textOf(field, FIELD.name)));
  }
}

function textOf(parts: readonly (readonly [number, Buffer])[], number: number): string {
  return parts.find(([part]) => part === number)?.[1].toString() ?? '';
}

/** The length-delimited fields of a message. Throws a RangeError where it is cut off. */
function partsOf(bytes: Buffer): readonly (readonly [number, Buffer])[] {
  const parts: (readonly [number, Buffer])[] = [];
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = bytes.readUInt8(at);
      at += 1;
      value += (byte & 127) * 2 ** shift;
      if (byte < 128) break;
    }
    return value;
  };
  while (at < bytes.length) {
    const tag = varint();
    const wireType = tag & 7;
    if (wireType === LENGTH_DELIMITED) {
      const length = varint();
      parts.push([tag >>> 3, bytes.subarray(at, at + length)]);
      at += length;
    } else if (wireType === 0) varint();
    else at += wireType === 1 ? 8 : 4;
  }
  return parts;
}
