import { isRecord } from '../../base/is-record';
import type { CallKind } from '../../policy/routing/call';
import type { ClientOptions } from './grpc-js';

/** A service has some dozens of methods; a generic proxy that makes up paths must not fill the memory. */
const MOST_METHODS = 4_096;

/** What a method's definition says of it. */
export interface MethodFacts {
  readonly kind: CallKind;
  /** Its `idempotency_level` is NO_SIDE_EFFECTS or IDEMPOTENT. */
  readonly isIdempotent: boolean;
  /** Reads an answer; undefined where the definition does not show how. May throw. */
  readonly deserialize?: ((bytes: Buffer) => unknown) | undefined;
  /** As the definition has it: that of proto-loader carries descriptors. */
  readonly responseType?: unknown;
}

type Transformer = NonNullable<ClientOptions['callInvocationTransformer']>;

/**
 * What method definitions say of methods: how many requests and responses, and whether a call may run again. A channel
 * is told a call's path only. Clients made with our options show the definition of their service at their first call;
 * programs that use a bare channel may hand definitions in.
 */
export class KnownMethods {
  /** By path. A method of which no definition was seen is not in it. */
  readonly byPath: Map<string, MethodFacts> = new Map();
  readonly #seen = new WeakSet<object>();

  /**
   * For a client's options; `inner` is the user's own, which still has the last word on the call. grpc-js calls it as a
   * method of the client, whose class carries the definition of the whole service; that of the call lacks its options.
   */
  learnFrom(inner: Transformer | undefined): Transformer {
    const known = this;
    return function (this: unknown, call) {
      const { path, requestStream, responseStream, responseDeserialize } = call.methodDefinition;
      known.learn(
        (this as { readonly constructor?: { readonly service?: unknown } } | undefined)?.constructor?.service,
      );
      const facts = known.byPath.get(path);
      const kind = kindOf(requestStream, responseStream);
      if (facts?.kind !== kind) {
        known.#add(path, { kind, isIdempotent: facts?.isIdempotent ?? false, deserialize: responseDeserialize });
      }
      return inner === undefined ? call : inner.call(this, call);
    };
  }

  /**
   * Takes a service definition of proto-loader, grpc-tools, ts-proto or nice-grpc. What is no such definition is
   * passed over.
   */
  learn(definition: unknown): void {
    if (this.#seen.has(definition as object) || !isRecord(definition)) return;
    this.#seen.add(definition);
    const { methods, fullName } = definition;
    for (const method of Object.values(isRecord(methods) ? methods : definition)) {
      if (!isRecord(method)) continue;
      const { requestStream, responseStream, responseType, options, name } = method;
      const path = method['path'] ?? `/${String(fullName)}/${String(name)}`;
      if (typeof path !== 'string' || typeof requestStream !== 'boolean' || typeof responseStream !== 'boolean')
        continue;
      const kind = kindOf(requestStream, responseStream);
      const deserialize = deserializerOf(method);
      this.#add(path, { kind, isIdempotent: isIdempotent(options), deserialize, responseType });
    }
  }

  #add(path: string, facts: MethodFacts): void {
    if (this.byPath.has(path) || this.byPath.size < MOST_METHODS) this.byPath.set(path, facts);
  }
}

/** grpc-js' own form, or the `decode` of ts-proto's types. */
function deserializerOf({
  responseDeserialize,
  responseType,
}: Readonly<Record<string, unknown>>): MethodFacts['deserialize'] {
  if (typeof responseDeserialize === 'function') return (bytes) => responseDeserialize(bytes);
  const decode = isRecord(responseType) ? responseType['decode'] : undefined;
  return typeof decode === 'function' ? (bytes) => decode.call(responseType, bytes) : undefined;
}

function kindOf(requestStream: boolean, responseStream: boolean): CallKind {
  if (requestStream) return responseStream ? 'bidi' : 'clientStream';
  return responseStream ? 'serverStream' : 'unary';
}

/** `idempotency_level` by name or by number, as proto-loader (snake case) and ts-proto (camel case) write it. */
function isIdempotent(options: unknown): boolean {
  if (!isRecord(options)) return false;
  const level = options['idempotency_level'] ?? options['idempotencyLevel'];
  // google/protobuf/descriptor.proto: NO_SIDE_EFFECTS = 1, IDEMPOTENT = 2.
  return level === 'NO_SIDE_EFFECTS' || level === 'IDEMPOTENT' || level === 1 || level === 2;
}
