import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Client, ClientDuplexStream, Metadata } from '@grpc/grpc-js';
import {
  type AnyDefinition,
  load,
  loadFileDescriptorSetFromBuffer,
  type MessageTypeDefinition,
  type MethodDefinition,
  type Options,
  type PackageDefinition,
  type ServiceDefinition,
} from '@grpc/proto-loader';
import { isRecord } from '../../base/is-record';
import { CommandError } from '../command';
import { byText, didYouMean } from '../describe';
import { readText } from '../policy-files';
import { openReflection, type Reflection } from './reflection';
import type { MethodFlags } from './service-client';

/** A method, and all that its messages are made of. */
export interface Method {
  readonly path: string;
  readonly definition: MethodDefinition<object, object>;
  readonly service: ServiceDefinition;
  readonly types: PackageDefinition;
}

type MethodEntry = Pick<MethodDefinition<object, object>, 'path' | 'requestStream' | 'responseStream'>;

/** As protobuf's JSON has it, as far as protobufjs does: 64-bit numbers and enums as text, bytes in base64. */
const AS_JSON: Options = { longs: String, enums: String, bytes: String, oneofs: false, json: true };

/** Finds a method in `--proto`, else by reflection. Throws a CommandError that names what there is. */
export async function findMethod(
  path: string,
  client: Client,
  metadata: Metadata,
  flags: MethodFlags,
): Promise<Method> {
  const [, wanted = ''] = path.split('/');
  const { types, services } = await definitionsOf(wanted, client, metadata, flags);
  const service = types === undefined ? undefined : serviceIn(types, wanted);
  const LIST = 'leave the method out for a list';
  if (types === undefined || service === undefined) {
    const message = `method: no service ${wanted} (expected: one of ${services.join(', ') || 'none'})`;
    throw new CommandError(2, message, didYouMean(wanted, services, LIST));
  }
  const definition = Object.values(service).find((each) => each.path === path);
  if (definition !== undefined) return { path, definition, service, types };
  const paths = Object.values(service).map((each) => each.path);
  const message = `method: ${path} (expected: one of ${paths.join(', ')})`;
  throw new CommandError(2, message, didYouMean(path, paths, LIST));
}

/** Every method that there is, by path. */
export async function listMethods(
  client: Client,
  metadata: Metadata,
  flags: MethodFlags,
): Promise<readonly MethodEntry[]> {
  const loaded: PackageDefinition[] = [];
  if (flags.proto !== undefined) loaded.push(await loadProto(flags.proto, flags.include));
  else {
    await withReflection(client, metadata, flags, async (reflection) => {
      for (const service of reflection.services) {
        const files = await reflection.filesOf(service);
        if (files !== undefined) loaded.push(read(files));
      }
    });
  }
  const all = loaded.flatMap((types) =>
    Object.values(types)
      .filter(isService)
      .flatMap((service) => Object.values(service)),
  );
  const found = new Map(
    all.map(({ path, requestStream, responseStream }) => [path, { path, requestStream, responseStream }]),
  );
  return [...found.values()].sort((a, b) => byText(a.path, b.path));
}

async function definitionsOf(
  wanted: string,
  client: Client,
  metadata: Metadata,
  flags: MethodFlags,
): Promise<{ readonly types: PackageDefinition | undefined; readonly services: readonly string[] }> {
  if (flags.proto !== undefined) {
    const types = await loadProto(flags.proto, flags.include);
    return { types, services: Object.keys(types).filter((name) => serviceIn(types, name) !== undefined) };
  }
  return withReflection(client, metadata, flags, async (reflection) => {
    const files = await reflection.filesOf(wanted);
    return { types: files === undefined ? undefined : read(files), services: reflection.services };
  });
}

async function withReflection<T>(
  client: Client,
  metadata: Metadata,
  { timeout }: MethodFlags,
  work: (reflection: Reflection) => Promise<T>,
): Promise<T> {
  const reflection = await openReflection(client, metadata, timeout * 1000);
  try {
    return await work(reflection);
  } finally {
    reflection.close();
  }
}

function read(files: Buffer): PackageDefinition {
  try {
    return loadFileDescriptorSetFromBuffer(files, AS_JSON);
  } catch (error) {
    const message = `reflection: what the server sent cannot be read: ${messageIn(error)}`;
    throw new CommandError(1, message, 'give --proto FILE -I DIR');
  }
}

async function loadProto(files: readonly string[], folders: readonly string[] = []): Promise<PackageDefinition> {
  const missing = files.find((file) => ![file, ...folders.map((folder) => join(folder, file))].some(existsSync));
  if (missing !== undefined) {
    const where = folders.length === 0 ? 'that can be read' : `here or below ${folders.join(', ')}`;
    throw new CommandError(2, `--proto: ${missing}: no such file (expected: a .proto file ${where})`, 'check its name');
  }
  try {
    return await load([...files], { ...AS_JSON, includeDirs: [...folders] });
  } catch (error) {
    const message = `--proto: ${messageIn(error)} (expected: .proto files that can be read)`;
    throw new CommandError(2, message, 'add -I FOLDER for imports');
  }
}

function messageIn(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function serviceIn(types: PackageDefinition, name: string): ServiceDefinition | undefined {
  const found = Object.hasOwn(types, name) ? types[name] : undefined;
  return found !== undefined && isService(found) ? found : undefined;
}

/** Messages and enums have a format. */
function isService(definition: AnyDefinition): definition is ServiceDefinition {
  return !('format' in definition);
}

/** What is read of a FieldDescriptorProto. */
interface Field {
  readonly name: string;
  readonly typeName: string;
}

type Messages = MessageTypeDefinition<object, object>;

/** The JSON of `--data`. */
export async function readData({ data = '{}' }: MethodFlags): Promise<string> {
  return data === '-' ? readText('-') : data;
}

/**
 * A request out of JSON: field names as in the .proto file or in lowerCamelCase. A field that the message does not have
 * is a misspelling, which the wire format would drop silently. Throws a CommandError.
 */
export function requestsFrom(json: string, type: Messages, types: PackageDefinition): readonly object[] {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (error) {
    const hint = json.startsWith('@') ? `; a file comes by standard input: --data - < ${json.slice(1)}` : '';
    throw new CommandError(2, `--data: ${messageIn(error)} (expected: JSON${hint})`);
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
  const { field: fields = [] } = type.type as { readonly field?: readonly Field[] };
  const result: Record<string, unknown> = {};
  for (const [key, inner] of Object.entries(value)) {
    const field = fields.find(({ name }) => name === key || camelCase(name) === key || name === snakeCase(key));
    if (field === undefined) {
      const known = fields.map(({ name }) => camelCase(name));
      const names = known.join(', ') || 'none: the message is empty';
      const message = `--data${path}.${key}: no such field (expected: one of ${names})`;
      throw new CommandError(2, message, didYouMean(key, known) || undefined);
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
 * The message type of a field. Undefined for enums, maps and scalars, and for a name that two messages have, because
 * descriptors name types relatively.
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

/**
 * Starts a call of any kind as a stream of requests and a stream of answers: on the wire a call with a single request
 * or a single answer is a stream of one.
 */
export function openCall(
  { path, definition }: Method,
  client: Client,
  metadata: Metadata,
  deadline: number,
): ClientDuplexStream<object, object> {
  const { requestSerialize, responseDeserialize } = definition;
  const stream = client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize, metadata, { deadline });
  // The status says the same; without a listener the error would be thrown.
  return stream.on('error', () => {});
}
