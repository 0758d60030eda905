import type { Client, Metadata } from '@grpc/grpc-js';
import {
  type AnyDefinition,
  load,
  loadFileDescriptorSetFromBuffer,
  type MethodDefinition,
  type Options,
  type PackageDefinition,
  type ServiceDefinition,
} from '@grpc/proto-loader';
import { nearest } from '../../base/spelling';
import { CommandError } from '../command-error';
import type { MethodFlags } from './call';
import { openReflection } from './reflection';

/** A method, and all that its messages are made of. */
export interface Method {
  readonly path: string;
  readonly definition: MethodDefinition<object, object>;
  readonly service: ServiceDefinition;
  readonly types: PackageDefinition;
}

/** One as a list shows it. */
export interface MethodEntry {
  /** `/package.Service/Method`. */
  readonly path: string;
  readonly requestStream: boolean;
  readonly responseStream: boolean;
}

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
  if (types === undefined || service === undefined) {
    const meant = nearest(wanted, services);
    throw new CommandError(
      2,
      `method: no service ${wanted} (expected: one of ${services.join(', ') || 'none'})`,
      meant === undefined ? 'leave the method out for a list' : `did you mean ${meant}?`,
    );
  }
  const definition = Object.values(service).find((each) => each.path === path);
  if (definition !== undefined) return { path, definition, service, types };
  const paths = Object.values(service).map((each) => each.path);
  const meant = nearest(path, paths);
  throw new CommandError(
    2,
    `method: ${path} (expected: one of ${paths.join(', ')})`,
    meant === undefined ? 'leave the method out for a list' : `did you mean ${meant}?`,
  );
}

/** Every method that there is, by path. */
export async function listMethods(
  client: Client,
  metadata: Metadata,
  flags: MethodFlags,
): Promise<readonly MethodEntry[]> {
  const found = new Map<string, MethodEntry>();
  const add = (types: PackageDefinition): void => {
    for (const service of Object.values(types).filter(isService)) {
      for (const { path, requestStream, responseStream } of Object.values(service)) {
        found.set(path, { path, requestStream, responseStream });
      }
    }
  };
  if (flags.proto !== undefined) add(await loadProto(flags.proto, flags.include));
  else {
    const reflection = await openReflection(client, metadata, flags.timeout * 1000);
    try {
      for (const service of await reflection.services()) {
        const files = await reflection.filesOf(service);
        if (files !== undefined) add(read(files));
      }
    } finally {
      reflection.close();
    }
  }
  return [...found.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
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
  const reflection = await openReflection(client, metadata, flags.timeout * 1000);
  try {
    const files = await reflection.filesOf(wanted);
    return { types: files === undefined ? undefined : read(files), services: await reflection.services() };
  } finally {
    reflection.close();
  }
}

function read(files: Buffer): PackageDefinition {
  try {
    return loadFileDescriptorSetFromBuffer(files, AS_JSON);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new CommandError(1, `reflection: what the server sent cannot be read: ${why}`, 'give --proto FILE -I DIR');
  }
}

async function loadProto(files: readonly string[], folders: readonly string[] = []): Promise<PackageDefinition> {
  try {
    return await load([...files], { ...AS_JSON, includeDirs: [...folders] });
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new CommandError(2, `--proto: ${why} (expected: .proto files that can be read)`, 'add -I FOLDER for imports');
  }
}

function serviceIn(types: PackageDefinition, name: string): ServiceDefinition | undefined {
  const found = Object.hasOwn(types, name) ? types[name] : undefined;
  return found !== undefined && isService(found) ? found : undefined;
}

/** Messages and enums have a format. */
function isService(definition: AnyDefinition): definition is ServiceDefinition {
  return !('format' in definition);
}
