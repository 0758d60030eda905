import type { EventEmitter } from 'node:events';
import type { TLSSocket } from 'node:tls';
import { type AcceptOptions, type AcceptRules, parseAcceptOptions } from './accept';
import { keepBaggage } from './baggage';
import { addCallerLabels, type CallerFacts } from './caller-labels';
import { type ContextRunner, type IncomingContexts, MIRROR_KEY, type SentValues } from './incoming-labels';

/** The part of a request that is read: Node's own, Express', or Fastify's with the one of Node in `raw`. */
export interface HttpRequest {
  /** As Node gives them: names in lower case. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** Names and values in turn, as they were sent; where present, repeated headers are noticed. */
  readonly rawHeaders?: readonly string[];
  /** The connection, which `caller` asks for the address and the certificate of the caller. */
  readonly socket?: object;
  /** The request of Node's own inside that of a framework, such as Fastify's. */
  readonly raw?: HttpRequest;
}

/** `(req, res, next)`, as plain `http`, Express' `app.use` and Fastify's `onRequest` hook take it. */
export type HttpMiddleware = (request: HttpRequest, response: object, next: () => void) => void;

/** Accepted labels end in `contexts`. Throws INVALID_OPTION. */
export function createHttpMiddleware(contexts: IncomingContexts, options: AcceptOptions): HttpMiddleware {
  const rules = parseAcceptOptions(options, 'httpMiddleware');
  return (request, response, next) => {
    const raw = request.raw ?? request;
    const labels = contexts.incoming.read(rules, sentIn(raw), contexts.usesBaggage);
    if (rules.caller !== undefined) addCallerLabels(labels, rules.caller, factsOf(raw));
    strip(raw, rules);
    if (contexts.usesBaggage) filterBaggage(raw, rules);
    const runner = contexts.prepare(labels, undefined, raw.headers[MIRROR_KEY] !== undefined);
    // Node emits the events of a body in the context of the connection, and a body parser would go on in that context.
    keepContext(raw, runner);
    keepContext(nodesOwn(response), runner);
    runner(next);
  };
}

/** Fastify's reply has Node's response in `raw`. */
function nodesOwn(response: object): object {
  const raw = 'raw' in response ? response.raw : undefined;
  return typeof raw === 'object' && raw !== null ? raw : response;
}

function factsOf(request: HttpRequest): CallerFacts {
  const socket: Partial<TLSSocket> = request.socket ?? {};
  return {
    address: socket.remoteAddress,
    forwardedFor: sentIn(request).values('x-forwarded-for'),
    certificate: () => (socket.authorized === true ? socket.getPeerCertificate?.() : undefined),
  };
}

/** `rawHeaders` shows values that came twice; `headers` has them joined, or the first alone. */
function sentIn(request: HttpRequest): SentValues {
  const { rawHeaders, headers } = request;
  return {
    values: (key) => {
      if (rawHeaders === undefined) return [headers[key] ?? []].flat();
      return rawHeaders.filter((_, index) => index % 2 === 1 && rawHeaders[index - 1]?.toLowerCase() === key);
    },
  };
}

function strip(request: HttpRequest, rules: AcceptRules): void {
  if (rules.stripsNothing) return;
  for (const key of Object.keys(request.headers)) if (rules.isStripped(key)) setHeader(request, key, undefined);
}

function filterBaggage(request: HttpRequest, rules: AcceptRules): void {
  const sent = sentIn(request).values('baggage');
  if (sent.length > 0) setHeader(request, 'baggage', keepBaggage(sent, rules.keys));
}

/** Sets a header in all forms that Node offers. Node makes two of them from the raw ones when they are first read. */
function setHeader(request: HttpRequest, key: string, value: string | undefined): void {
  const headers = request.headers as Record<string, unknown>;
  const { headersDistinct } = request as { readonly headersDistinct?: Record<string, unknown> };
  delete headers[key];
  if (headersDistinct !== undefined) delete headersDistinct[key];
  const raw = request.rawHeaders as string[] | undefined;
  for (let index = (raw?.length ?? 0) - 2; index >= 0; index -= 2) {
    if (raw?.[index]?.toLowerCase() === key) raw.splice(index, 2);
  }
  if (value === undefined) return;
  headers[key] = value;
  if (headersDistinct !== undefined) headersDistinct[key] = [value];
  raw?.push(key, value);
}

/** Runs every listener of this emitter in the context. */
function keepContext(target: object, runner: ContextRunner): void {
  const emitter = target as Partial<EventEmitter>;
  const { emit } = emitter;
  if (typeof emit !== 'function') return;
  const value = (...event: Parameters<EventEmitter['emit']>): boolean => runner(() => emit.apply(target, event));
  Object.defineProperty(target, 'emit', { value, configurable: true, writable: true });
}
