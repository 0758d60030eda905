import { EventEmitter } from 'node:events';
import type { IncomingMessage } from 'node:http';
import type { Clock } from '../base/clock';
import { type Logger, safeLogger, silentLogger } from '../base/logger';
import type { Random } from '../base/random';
import { AgentPool, askInTurn, countOpenRequests, PATIENCE_MS, type PooledAgent } from './agent-pool';
import { connectAgent } from './connection';
import type { ParsedConsulOptions } from './options';
import {
  type AgentLoad,
  type Asked,
  type AskOptions,
  type ConsulAnswer,
  type ConsulRequest,
  PLAIN_TIME_LIMIT_MS,
  spreadWaitMs,
  waitMsOf,
} from './request';
import { ACCEPT_GZIP, BodyCollector, decodedBody, failureReason, httpReason, isFaultOfAgent, isPage } from './response';
import { createTlsMaterial } from './tls';
import { createTokenSource, credentialsOf, type TokenReading } from './token';

/**
 * One-shot reads from Consul over npm `consul`. Its connections are kept between requests; an idle one does not keep
 * the process alive. Shared by instance and policy watches; closed by its creator. Where there are several addresses, a
 * read that one agent does not answer is another one's, see docs/decisions/0039-several-agents.md.
 */
export interface ConsulClient {
  readonly options: ParsedConsulOptions;
  /** Never rejects, and nothing of the underlying library's errors (they hold the token) gets out. */
  get(request: ConsulRequest): Promise<ConsulAnswer>;
  /** Writes. Status 409 is an answer: so Consul says that a transaction did not hold. Never tried twice. */
  put(request: ConsulRequest & { readonly body: string }): Promise<ConsulAnswer>;
  /**
   * It waits for a request's `afterMs` itself, for all readers of the same question. Default false: the reader waits
   * before.
   */
  readonly takesPauses?: boolean;
  /** For each address, in the order given. */
  readonly load: readonly AgentLoad[];
  /** Drops all connections; requests under way and later ones fail. Idempotent. */
  close(): void;
}

const BODY_LIMIT_BYTES = 32 * 1024 * 1024;
/** How long it may take an agent that was left to answer what it did not answer. */
const PROBE_LIMIT_MS = 2_000;
/** What many watches lost at once does not come to the next agent all at once. */
const SPREAD_MS = 250;
/** The longest wait of a client that has just begun. */
const FIRST_WAIT_MS = 10_000;

export interface ConsulClientDeps {
  readonly clock: Clock;
  /** Default: `Math.random`. */
  readonly random?: Random;
  /** Default: silent. */
  readonly logger?: Logger;
}

export function createConsulClient(options: ParsedConsulOptions, deps: ConsulClientDeps): ConsulClient {
  const { clock, random = Math.random } = deps;
  const beganAtMs = clock.now();
  const logger = safeLogger(deps.logger ?? silentLogger);
  const tokens = createTokenSource(options.token, { clock, logger });
  const material = createTlsMaterial(options.tls);
  const agents: readonly PooledAgent[] = options.addresses.map((address) => ({
    address,
    consul: connectAgent(address, options.tls, material),
    requests: countOpenRequests(address.text, logger),
  }));
  const unverified = options.tls.rejectUnauthorized
    ? undefined
    : options.addresses.find(({ baseUrl }) => baseUrl.startsWith('https:'));
  let isSaid = false;
  let closed = false;

  const ask = async (agent: PooledAgent, request: ConsulRequest, how: AskOptions): Promise<Asked> => {
    if (closed || how.signal?.aborted === true) return notAsked;
    const cancel = new EventEmitter();
    let fault: string | undefined;
    let isLate = false;
    const abort = (reason: string): void => {
      fault ??= reason;
      cancel.emit('cancel');
    };
    const onAbort = (): void => abort('closed');
    const timer = clock.setTimer(how.timeLimitMs, () => {
      isLate = fault === undefined;
      abort(`no answer within ${Math.round(how.timeLimitMs)} ms`);
    });
    how.signal?.addEventListener('abort', onAbort, { once: true });
    agent.requests.began();
    try {
      const reading = await untilCancelled(tokens.read(), cancel);
      if (reading === undefined || closed || fault !== undefined)
        return { ...notAsked, answer: failed(fault ?? 'closed') };
      if (reading.kind === 'failure') return { ...notAsked, answer: failed(reading.reason) };
      pool.asked(agent);
      const credentials = credentialsOf(reading.token, options.httpAuth?.());
      const collector = new BodyCollector(BODY_LIMIT_BYTES, abort);
      if (how.onAnswering !== undefined) collector.once('pipe', how.onAnswering);
      const response = (await agent.consul[request.body === undefined ? '_get' : '_put'](
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
      )) as IncomingMessage;
      if (fault !== undefined) return { answer: failed(fault), fault: isLate ? 'late' : faultOf(fault) };
      const body = await decodedBody(response, collector.body(), BODY_LIMIT_BYTES);
      const found = answer(response, body, credentials.secrets);
      const isFault = found.kind === 'failure' && (isPage(response) || isFaultOfAgent(found.status ?? 0, found.reason));
      return { answer: found, fault: isFault ? 'agent' : 'none' };
    } catch (error) {
      const reason = fault ?? failureReason(error, agent.address.text);
      return { answer: failed(reason), fault: isLate ? 'late' : faultOf(reason) };
    } finally {
      agent.requests.ended();
      timer.cancel();
      how.signal?.removeEventListener('abort', onAbort);
    }
  };

  const pool = new AgentPool(agents, {
    clock,
    random,
    logger,
    probe: async (agent, request) => {
      const beganAtMs = clock.now();
      let tookMs = Number.POSITIVE_INFINITY;
      const onAnswering = (): void => {
        tookMs = clock.now() - beganAtMs;
      };
      const { fault } = await ask(agent, request, { timeLimitMs: PROBE_LIMIT_MS, signal: undefined, onAnswering });
      return fault === 'none' && tookMs <= PATIENCE_MS;
    },
  });

  const sayUnverified = (): void => {
    if (unverified === undefined || isSaid) return;
    isSaid = true;
    logger.warn('certificates of Consul are not verified: anybody may answer in its place', {
      address: unverified.text,
    });
  };

  /** At the agent that serves, and no other: writes, and all requests where there is one agent. */
  const askOne = async (request: ConsulRequest, signal = request.signal): Promise<Asked> => {
    const agent = pool.serving;
    const asked = await ask(agent, request, { timeLimitMs: request.timeLimitMs, signal });
    const { answer } = asked;
    const isFailure = asked.fault === 'agent' || (asked.fault === 'late' && agents.length === 1);
    if (isFailure && answer.kind === 'failure') pool.failed(agent, answer.reason, plain(request), false);
    else if (answer.kind === 'answer' || answer.status !== undefined) pool.answered(agent);
    return asked;
  };

  /** A blocking read. What its agent does not answer is read from another one without waiting for a change. */
  const waitForChange = async (request: ConsulRequest): Promise<ConsulAnswer> => {
    const { signal } = request;
    const abort = new AbortController();
    let isMoved = false;
    const end = (): void => abort.abort();
    const ended = pool.began({
      agent: pool.serving,
      move: () => {
        isMoved = true;
        end();
      },
    });
    signal?.addEventListener('abort', end, { once: true });
    const asked = await askOne(request, signal?.aborted === true ? signal : abort.signal);
    signal?.removeEventListener('abort', end);
    ended();
    if (signal?.aborted === true || closed) return asked.answer;
    if (!isMoved) {
      if (asked.fault !== 'agent') return asked.answer;
      await new Promise<void>((resolve) => clock.setTimer(random() * SPREAD_MS, resolve));
    }
    return askInTurn(plain(request), { pool, clock, ask });
  };

  const get = async (request: ConsulRequest): Promise<ConsulAnswer> => {
    if (closed) return closedAnswer;
    sayUnverified();
    if (request.body !== undefined) return (await askOne(request)).answer;
    const asked = waitingAsLong(request, clock.now() - beganAtMs, random);
    if (agents.length === 1) return (await askOne(asked)).answer;
    if (asked.query?.['index'] !== undefined) return waitForChange(asked);
    return askInTurn(asked, { pool, clock, ask });
  };

  return {
    options,
    get,
    put: get,
    get load() {
      return pool.load();
    },
    close() {
      if (closed) return;
      closed = true;
      pool.close();
      for (const agent of agents) agent.consul.destroy();
    },
  };
}

/**
 * Waits no longer than its client has lived, at the least 10 s. Consul goes on with a query whose client has gone, until
 * the wait is over, and has 200 places for the queries of an address: a script that is run again and again would fill
 * them. https://developer.hashicorp.com/consul/docs/agent/config/config-files#http_max_conns_per_client
 */
function waitingAsLong(request: ConsulRequest, ageMs: number, random: Random): ConsulRequest {
  const limitMs = Math.max(FIRST_WAIT_MS, ageMs);
  if (!(waitMsOf(request) > limitMs)) return request;
  return { ...request, query: { ...request.query, wait: `${spreadWaitMs(limitMs, random)}ms` } };
}

/** The same question, answered at once. */
function plain(request: ConsulRequest): ConsulRequest {
  const { index, wait, ...query } = request.query ?? {};
  if (index === undefined) return request;
  return { ...request, query, timeLimitMs: Math.min(request.timeLimitMs, PLAIN_TIME_LIMIT_MS) };
}

/**
 * Nothing at index 1, from who knows no leader, is no news: so an agent of Consul 1.22 ends a blocking query for a
 * datacenter that has not answered it yet, with status 200. It says of no answer of its own list that it knows a leader.
 */
function isNoNews(response: IncomingMessage, index: bigint | undefined, body: Buffer): boolean {
  if (response.headers['x-consul-knownleader'] !== 'false' || (index ?? 0n) > 1n) return false;
  return body.length <= 8 && ['', '[]', 'null'].includes(body.toString().trim());
}

/** An answer that is too large is so at every agent; what was ended here says nothing of one. */
function faultOf(reason: string): Asked['fault'] {
  return reason === 'closed' || /^the answer is larger/.test(reason) ? 'none' : 'agent';
}

/** Undefined when the request is cancelled first. */
function untilCancelled(reading: Promise<TokenReading>, cancel: EventEmitter): Promise<TokenReading | undefined> {
  return Promise.race([reading, new Promise<undefined>((resolve) => cancel.once('cancel', () => resolve(undefined)))]);
}

function answer(response: IncomingMessage, body: Buffer, secrets: readonly string[]): ConsulAnswer {
  const status = response.statusCode ?? 0;
  const index = parseIndex(response.headers['x-consul-index']);
  const isAbsence = status === 404 && index !== undefined;
  const isAnswer = isAbsence || status === 409 || (status >= 200 && status <= 299);
  if (!isAnswer || isPage(response)) {
    return { kind: 'failure', status, reason: httpReason(response, body, secrets) };
  }
  if (isNoNews(response, index, body)) {
    return { kind: 'failure', status, reason: 'it tells nothing, and knows no leader (X-Consul-KnownLeader: false)' };
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
const notAsked: Asked = { answer: closedAnswer, fault: 'none' };
