import { EventEmitter } from 'node:events';
import type { IncomingMessage } from 'node:http';
import type { Clock } from '../../internal/clock';
import { type Logger, safeLogger, silentLogger } from '../../internal/logger';
import { connectAgent } from './agent-connection';
import type { AgentLoad } from './agent-load';
import { BodyCollector } from './body-collector';
import { ACCEPT_GZIP, decodedBody } from './compressed-body';
import { credentialsOf } from './credentials';
import { countOpenRequests } from './open-requests';
import type { ParsedConsulOptions } from './options';
import { failureReason, httpReason } from './reason';
import { createTlsMaterial } from './tls-material';
import { createTokenSource, type TokenReading } from './token-source';

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
  /** It waits for a request's `afterMs` itself, for all who ask the same. Default false: whoever asks waits before. */
  readonly takesPauses?: boolean;
  /** For each address, in the order given. */
  readonly load: readonly AgentLoad[];
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
  /** The answer may come compressed: fewer bytes for some milliseconds of the agent's time. Default false. */
  readonly isCompressed?: boolean;
  /** Only where the client {@link ConsulClient.takesPauses}: milliseconds until it is to be asked. Default 0. */
  readonly afterMs?: number;
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

const BODY_LIMIT_BYTES = 32 * 1024 * 1024;

export interface ConsulClientDeps {
  readonly clock: Clock;
  /** Default: silent. */
  readonly logger?: Logger;
}

export function createConsulClient(options: ParsedConsulOptions, deps: ConsulClientDeps): ConsulClient {
  const { clock } = deps;
  const logger = safeLogger(deps.logger ?? silentLogger);
  const tokens = createTokenSource(options.token, { clock, logger });
  const material = createTlsMaterial(options.tls);
  const agents = options.addresses.map((address) => ({
    address,
    consul: connectAgent(address, options.tls, material),
    requests: countOpenRequests(address.text, logger),
  }));
  const unverified = options.tls.rejectUnauthorized
    ? undefined
    : options.addresses.find(({ baseUrl }) => baseUrl.startsWith('https:'));
  let isSaid = false;
  let preferred = 0;
  let closed = false;

  const get = async (request: ConsulRequest): Promise<ConsulAnswer> => {
    const position = preferred;
    const agent = agents[position];
    if (closed || agent === undefined) return closedAnswer;
    if (unverified !== undefined && !isSaid) {
      isSaid = true;
      logger.warn('certificates of Consul are not verified: anybody may answer in its place', {
        address: unverified.text,
      });
    }
    const cancel = new EventEmitter();
    let fault: string | undefined;
    const abort = (reason: string): void => {
      fault ??= reason;
      cancel.emit('cancel');
    };
    const onAbort = (): void => abort('closed');
    const timer = clock.setTimer(request.timeLimitMs, () => abort(`no answer within ${request.timeLimitMs} ms`));
    request.signal?.addEventListener('abort', onAbort, { once: true });
    agent.requests.began();
    try {
      const reading = await untilCancelled(tokens.read(), cancel);
      if (reading === undefined || closed || fault !== undefined) return failed(fault ?? 'closed');
      if (reading.kind === 'failure') return failed(reading.reason);
      if (request.signal?.aborted === true) return closedAnswer;
      const credentials = credentialsOf(reading.token, options.httpAuth?.());
      const collector = new BodyCollector(BODY_LIMIT_BYTES, abort);
      const response = await agent.consul[request.body === undefined ? '_get' : '_put'](
        {
          path: request.path,
          params: request.params ?? {},
          query: { ...request.query, ...options.tenancy },
          headers: { ...credentials.headers, ...(request.isCompressed === true ? ACCEPT_GZIP : {}) },
          ...(request.body === undefined ? {} : { body: Buffer.from(request.body) }),
          ctx: cancel,
          pipe: collector,
        },
        // A response of any status is an answer; without one there is an error.
        (state, next) => (state.res === undefined ? next(false, state.err) : next(false, undefined, state.res)),
      );
      if (fault !== undefined) return failed(fault);
      const message = response as IncomingMessage;
      return answer(message, await decodedBody(message, collector.body(), BODY_LIMIT_BYTES), credentials.secrets);
    } catch (error) {
      if (fault !== 'closed' && preferred === position) preferred = (position + 1) % agents.length;
      return failed(fault ?? failureReason(error, agent.address.text));
    } finally {
      agent.requests.ended();
      timer.cancel();
      request.signal?.removeEventListener('abort', onAbort);
    }
  };

  return {
    options,
    get,
    put: get,
    get load() {
      return agents.map(({ address, requests }) => ({
        address: address.text,
        openRequests: requests.open,
        mostOpenRequests: requests.most,
      }));
    },
    close() {
      if (closed) return;
      closed = true;
      for (const agent of agents) agent.consul.destroy();
    },
  };
}

/** Undefined when the request is cancelled first. */
function untilCancelled(reading: Promise<TokenReading>, cancel: EventEmitter): Promise<TokenReading | undefined> {
  return Promise.race([reading, new Promise<undefined>((resolve) => cancel.once('cancel', () => resolve(undefined)))]);
}

function answer(response: IncomingMessage, body: Buffer, secrets: readonly string[]): ConsulAnswer {
  const status = response.statusCode ?? 0;
  const index = parseIndex(response.headers['x-consul-index']);
  const isAbsence = status === 404 && index !== undefined;
  if (!isAbsence && status !== 409 && (status < 200 || status > 299)) {
    return { kind: 'failure', status, reason: httpReason(response, body, secrets) };
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
