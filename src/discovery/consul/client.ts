import { lookup } from 'node:dns';
import { EventEmitter } from 'node:events';
import type { IncomingMessage } from 'node:http';
import type { LookupFunction } from 'node:net';
import Consul from 'consul';
import type { Clock } from '../../internal/clock';
import type { AgentAddress } from './agent-address';
import { BodyCollector } from './body-collector';
import { isHeaderSafe, type ParsedConsulOptions } from './options';
import { failureReason, httpReason } from './reason';

/**
 * One-shot reads from Consul over npm `consul`. Its connections are kept between requests; an idle one does not keep the
 * process alive. Shared by instance and policy watches; closed by whoever made it.
 */
export interface ConsulClient {
  readonly options: ParsedConsulOptions;
  /** Never rejects, and nothing of the underlying library's errors (they hold the token) gets out. */
  get(request: ConsulRequest): Promise<ConsulAnswer>;
  /** Writes. Status 409 is an answer: so Consul says that a transaction did not hold. Never tried twice. */
  put(request: ConsulRequest & { readonly body: string }): Promise<ConsulAnswer>;
  /** Drops all connections; requests under way and later ones fail. Idempotent. */
  close(): void;
}

export interface ConsulRequest {
  /** Under `/v1`, with `{name}` where a parameter goes. */
  readonly path: string;
  readonly params?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, string | readonly string[]>>;
  /** Of a `put`. */
  readonly body?: string;
  /** From asking to the last byte. */
  readonly timeLimitMs: number;
  /** Aborting ends the request and its connection. */
  readonly signal?: AbortSignal;
}

export type ConsulAnswer =
  | {
      readonly kind: 'answer';
      /** 200..299, 404 with an index (Consul's way to say that a key is absent), or 409 of a transaction. */
      readonly status: number;
      /** Undefined when missing, malformed or 0: no blocking query may use such a one. */
      readonly index: bigint | undefined;
      /** Consul left something out for want of permission. */
      readonly filteredByAcl: boolean;
      /** What the agent's clock showed, epoch milliseconds, to the second; undefined when it does not say. */
      readonly dateMs: number | undefined;
      readonly body: Buffer;
    }
  | { readonly kind: 'failure'; readonly status: number | undefined; readonly reason: string };

/** What papi offers beyond the declared types of npm `consul`. */
interface RawConsul {
  _get: RawCall;
  _put: RawCall;
  destroy(): void;
}
type RawCall = (
  request: object,
  then: (state: { res?: IncomingMessage; err?: Error }, next: Next) => void,
) => Promise<unknown>;
type Next = (ended: false, failure: Error | undefined, value?: unknown) => void;

const BODY_LIMIT_BYTES = 32 * 1024 * 1024;

export function createConsulClient(options: ParsedConsulOptions, deps: { readonly clock: Clock }): ConsulClient {
  const agents = options.addresses.map((address) => ({ address, consul: connect(address, options) }));
  let preferred = 0;
  let closed = false;

  const get = async (request: ConsulRequest): Promise<ConsulAnswer> => {
    const position = preferred;
    const agent = agents[position];
    if (closed || agent === undefined) return closedAnswer;
    const cancel = new EventEmitter();
    let fault: string | undefined;
    const abort = (reason: string): void => {
      fault ??= reason;
      cancel.emit('cancel');
    };
    const onAbort = (): void => abort('closed');
    const timer = deps.clock.setTimer(request.timeLimitMs, () => abort(`no answer within ${request.timeLimitMs} ms`));
    request.signal?.addEventListener('abort', onAbort, { once: true });
    let token: string | undefined;
    try {
      if (options.token !== undefined) {
        token = await ask(options.token, cancel);
        if (token === undefined || closed || fault !== undefined) return failed(fault ?? 'the token could not be had');
        if (token !== '' && !isHeaderSafe(token)) return failed('the token is not printable ASCII');
      }
      if (request.signal?.aborted === true) return closedAnswer;
      const collector = new BodyCollector(BODY_LIMIT_BYTES, abort);
      const response = await agent.consul[request.body === undefined ? '_get' : '_put'](
        {
          path: request.path,
          params: request.params ?? {},
          query: request.query ?? {},
          headers: token === undefined || token === '' ? {} : { 'x-consul-token': token },
          ...(request.body === undefined ? {} : { body: Buffer.from(request.body) }),
          ctx: cancel,
          pipe: collector,
        },
        // A response of any status is an answer; without one there is an error.
        (state, next) => (state.res === undefined ? next(false, state.err) : next(false, undefined, state.res)),
      );
      if (fault !== undefined) return failed(fault);
      return answer(response as IncomingMessage, collector.body(), token);
    } catch (error) {
      if (fault !== 'closed' && preferred === position) preferred = (position + 1) % agents.length;
      return failed(fault ?? failureReason(error, agent.address.text));
    } finally {
      timer.cancel();
      request.signal?.removeEventListener('abort', onAbort);
    }
  };

  return {
    options,
    get,
    put: get,
    close() {
      if (closed) return;
      closed = true;
      for (const agent of agents) agent.consul.destroy();
    },
  };
}

function connect(address: AgentAddress, options: ParsedConsulOptions): RawConsul {
  const { baseUrl, socketPath } = address;
  // `baseUrl`, `socketPath`, `lookup` and TLS settings are understood but not declared.
  const given = {
    baseUrl,
    lookup: withoutBrackets,
    ...(socketPath === undefined ? {} : { socketPath }),
    ...options.tls,
  };
  return new Consul(given as ConstructorParameters<typeof Consul>[0]) as unknown as RawConsul;
}

/** papi hands the host of `http://[::1]:8500` on as it is written, brackets and all. */
const withoutBrackets: LookupFunction = (host, options, done) => {
  const bare = host.startsWith('[') ? host.slice(1, -1) : host;
  lookup(bare, options, done);
};

/** Undefined when it throws, rejects, gives no string, or the request is cancelled first. */
function ask(token: () => string | Promise<string>, cancel: EventEmitter): Promise<string | undefined> {
  return new Promise((resolve) => {
    cancel.once('cancel', () => resolve(undefined));
    Promise.resolve()
      .then(token)
      .then(
        (value) => resolve(typeof value === 'string' ? value : undefined),
        () => resolve(undefined),
      );
  });
}

function answer(response: IncomingMessage, body: Buffer, token: string | undefined): ConsulAnswer {
  const status = response.statusCode ?? 0;
  const index = parseIndex(response.headers['x-consul-index']);
  const isAbsence = status === 404 && index !== undefined;
  if (!isAbsence && status !== 409 && (status < 200 || status > 299)) {
    return { kind: 'failure', status, reason: httpReason(status, body, token) };
  }
  const filteredByAcl = response.headers['x-consul-results-filtered-by-acls'] === 'true';
  const dateMs = Date.parse(response.headers.date ?? '');
  return { kind: 'answer', status, index, filteredByAcl, dateMs: Number.isNaN(dateMs) ? undefined : dateMs, body };
}

function parseIndex(header: string | string[] | undefined): bigint | undefined {
  if (typeof header !== 'string' || !/^\d{1,20}$/.test(header)) return undefined;
  const index = BigInt(header);
  return index > 0n ? index : undefined;
}

function failed(reason: string): ConsulAnswer {
  return { kind: 'failure', status: undefined, reason };
}

const closedAnswer: ConsulAnswer = failed('closed');
