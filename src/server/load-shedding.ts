import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks';
import type * as Grpc from '@grpc/grpc-js';
import type { Metadata, ServerInterceptor } from '@grpc/grpc-js';
import type * as Telemetry from '@opentelemetry/api';
import type { Counter } from '@opentelemetry/api';
import { consoleLogger, type Logger, type PinoLogger, safeLogger, toLogger } from '../base/logger';
import { OptionReader } from '../base/option-reader';
import { systemRandom } from '../base/random';
import { CRITICALITIES, type Criticality, LoadShedder } from './load-shedder';

/** A call as {@link LoadSheddingOptions.criticalityOf} sees it, before its handler. */
export interface ArrivingCall {
  /** `/package.Service/Method`. */
  readonly method: string;
  /** As the client sent it. */
  readonly metadata: Metadata;
}

/** What `loadShedding()` takes. */
export interface LoadSheddingOptions {
  /**
   * Calls are refused while the event loop is later than this for most of a quarter of a second: 10..10,000 ms.
   * Default 100. A call then waits up to about twice as long before its handler begins.
   */
  readonly maxEventLoopDelayMs?: number;
  /** The key in the metadata that says how much a call matters, in lower case. Default `x-criticality`. */
  readonly label?: string;
  /**
   * How much a call matters, in place of what its client says of it. Default: what stands under `label`, and `critical`
   * where nothing that is known does. One that throws is taken for `critical`.
   */
  readonly criticalityOf?: (call: ArrivingCall) => Criticality;
  /**
   * Methods (`/package.Service/Method`) and prefixes that end in `/` that are never refused. Default: none. The standard
   * health check never is.
   */
  readonly exempt?: readonly string[];
  /**
   * What a refused client is told to wait before it tries again: 0..60,000 ms, in `grpc-retry-pushback-ms` (gRFC A6).
   * Default 1,000.
   */
  readonly pushbackMs?: number;
  /** Default: warnings and errors to standard error. */
  readonly logger?: Logger | PinoLogger;
}

/** What `loadShedding()` makes. */
export interface LoadShedding {
  /** For `new grpc.Server({ interceptors })`. Put it first: what it refuses costs the others nothing. */
  readonly interceptor: ServerInterceptor;
  /**
   * Asks for work that comes by another way, such as an HTTP request: false, refuse it. It is counted as a call is.
   */
  admits(criticality?: Criticality): boolean;
  /** Whether some calls are refused at present. */
  readonly isShedding: boolean;
  /** Stops measuring; every call is let in from now on. Idempotent. */
  close(): void;
}

const WINDOW_MS = 250;
/** Of the probe of the event loop: what it measures includes this much. */
const RESOLUTION_MS = 10;
const HEALTH = '/grpc.health.v1.Health/';
const DEFAULT_LEVEL = CRITICALITIES.indexOf('critical');
const OPTIONS = ['maxEventLoopDelayMs', 'label', 'criticalityOf', 'exempt', 'pushbackMs', 'logger'];

/**
 * Refuses calls with RESOURCE_EXHAUSTED while this process cannot keep up, the least important first, so that those
 * which are let in are answered in time. Clients that use Graylane send such a server fewer calls and open no breaker
 * (docs/balancing.md, "Less is not dead"). It measures the delay of the event loop: time that calls wait in the
 * process. It does not see a database that is slow.
 *
 * @throws GraylaneError `INVALID_OPTION`, with each problem on a line.
 * @example
 * const shedding = loadShedding({ maxEventLoopDelayMs: 100 });
 * const server = new grpc.Server({ interceptors: [shedding.interceptor] });
 */
export function loadShedding(options: LoadSheddingOptions = {}): LoadShedding {
  return new EventLoopShedding(options);
}

class EventLoopShedding implements LoadShedding {
  readonly interceptor: ServerInterceptor;
  readonly #shedder: LoadShedder;
  readonly #logger: Logger;
  readonly #delay: IntervalHistogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  readonly #timer: NodeJS.Timeout;
  readonly #refused: Counter;
  #isClosed = false;

  constructor(options: LoadSheddingOptions) {
    const parsed = parse(options);
    this.#shedder = new LoadShedder(parsed.maxDelayMs, systemRandom);
    this.#logger = safeLogger(toLogger(options.logger ?? consoleLogger));
    this.#refused = loadTelemetry().metrics.getMeter('graylane').createCounter('graylane.server.refused', {
      unit: '{call}',
      description: 'Calls that load shedding refused, by criticality',
    });
    this.interceptor = interceptorOf(parsed, (level) => this.#admits(level));
    this.#delay.enable();
    this.#timer = setInterval(() => this.#endWindow(), WINDOW_MS);
    this.#timer.unref();
  }

  get isShedding(): boolean {
    return !this.#isClosed && this.#shedder.isShedding;
  }

  admits(criticality: Criticality = 'critical'): boolean {
    return this.#admits(levelNamed(criticality));
  }

  close(): void {
    this.#isClosed = true;
    clearInterval(this.#timer);
    this.#delay.disable();
  }

  #admits(level: number): boolean {
    if (this.#isClosed || this.#shedder.admits(level)) return true;
    this.#refused.add(1, { 'graylane.criticality': CRITICALITIES[level] });
    return false;
  }

  #endWindow(): void {
    const wasShedding = this.#shedder.isShedding;
    const delayMs = Math.max(0, this.#delay.percentile(50) / 1e6 - RESOLUTION_MS);
    this.#delay.reset();
    this.#shedder.endWindow(delayMs);
    if (this.#shedder.isShedding === wasShedding) return;
    const fields = { eventLoopDelayMs: Math.round(delayMs) };
    if (wasShedding) this.#logger.info('every call is let in again', fields);
    else this.#logger.warn('calls are refused: the event loop is late', fields);
  }
}

/* A server that only registers itself does without these two, and the callers are synchronous. */

function loadGrpc(): typeof Grpc {
  // biome-ignore lint/style/noCommonJs: the reason stands above
  return require('@grpc/grpc-js');
}

function loadTelemetry(): typeof Telemetry {
  // biome-ignore lint/style/noCommonJs: the reason stands above
  return require('@opentelemetry/api');
}

/** `admits`: asked once for each call that may be refused, by its place in `CRITICALITIES`. */
function interceptorOf(rules: ParsedLoadShedding, admits: (level: number) => boolean): ServerInterceptor {
  const { maxDelayMs, pushbackMs, label, exempt, criticalityOf } = rules;
  const { Metadata, ServerInterceptingCall, status } = loadGrpc();
  const refusal = new Metadata();
  refusal.set('grpc-retry-pushback-ms', String(pushbackMs));
  const details = `this server is overloaded: its event loop is more than ${maxDelayMs} ms late`;
  const levelOf = (method: string, metadata: Metadata): number =>
    levelNamed(criticalityOf === undefined ? metadata.get(label)[0] : ask(criticalityOf, { method, metadata }));
  const isExempt = (method: string): boolean =>
    method.startsWith(HEALTH) ||
    exempt.some((each) => (each.endsWith('/') ? method.startsWith(each) : method === each));
  return ({ path }, next) => {
    if (isExempt(path)) return new ServerInterceptingCall(next);
    return new ServerInterceptingCall(next, {
      start: (proceed) =>
        proceed({
          onReceiveMetadata: (metadata, pass) => {
            if (admits(levelOf(path, metadata))) pass(metadata);
            else next.sendStatus({ code: status.RESOURCE_EXHAUSTED, details, metadata: refusal.clone() });
          },
        }),
    });
  };
}

function levelNamed(value: unknown): number {
  const level = CRITICALITIES.indexOf(value as Criticality);
  return level === -1 ? DEFAULT_LEVEL : level;
}

/** A fault in the service's own rule must not refuse calls, nor end the process. */
function ask(criticalityOf: (call: ArrivingCall) => Criticality, call: ArrivingCall): Criticality {
  try {
    return criticalityOf(call);
  } catch {
    return 'critical';
  }
}

interface ParsedLoadShedding {
  readonly maxDelayMs: number;
  readonly pushbackMs: number;
  readonly label: string;
  readonly exempt: readonly string[];
  readonly criticalityOf: LoadSheddingOptions['criticalityOf'];
}

function parse(options: LoadSheddingOptions): ParsedLoadShedding {
  const read = new OptionReader(options, '', OPTIONS);
  const { criticalityOf } = options;
  const maxDelayMs = read.number('maxEventLoopDelayMs', { low: 10, high: 10_000, fallback: 100 });
  const pushbackMs = read.number('pushbackMs', { low: 0, high: 60_000, isInteger: true, fallback: 1_000 });
  const expected = 'a key of metadata in lower case, such as x-criticality';
  const label =
    read.optional('label', () => read.text('label', /^[a-z0-9_.-]*(?<!-bin)$/, expected)) ?? 'x-criticality';
  const exempt = read.texts('exempt');
  for (const each of exempt) {
    if (/^\/[^/]+\/[^/]*$/.test(each)) continue;
    read.problem('exempt', each, '/package.Service/Method, or a prefix that ends in /');
  }
  if (criticalityOf !== undefined && typeof criticalityOf !== 'function') {
    read.problem('criticalityOf', typeof criticalityOf, 'a function');
  }
  read.methods('logger', ['debug', 'info', 'warn', 'error']);
  read.throwProblems();
  return { maxDelayMs, pushbackMs, label, exempt, criticalityOf };
}
