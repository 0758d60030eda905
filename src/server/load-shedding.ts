import type * as Grpc from '@grpc/grpc-js';
import type { Metadata, ServerInterceptor } from '@grpc/grpc-js';
import type * as Telemetry from '@opentelemetry/api';
import type { Counter } from '@opentelemetry/api';
import { callListener, consoleLogger, type Logger, type PinoLogger, safeLogger, toLogger } from '../base/logger';
import { OptionReader } from '../base/option-reader';
import { showValue } from '../base/shorten';
import { CallQueue, CRITICALITIES, type Criticality, type WaitingCall } from './call-queue';

/** A call as {@link LoadSheddingOptions.criticalityOf} sees it, before its handler. */
export interface ArrivingCall {
  /** `/package.Service/Method`. */
  readonly method: string;
  /** As the client sent it. */
  readonly metadata: Metadata;
}

/** What `loadShedding()` takes. */
export interface LoadSheddingOptions {
  /** A call that could not begin for longer than this is refused: 10..60,000 ms. Default 100. */
  readonly maxWaitMs?: number;
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
  /** Whether a call was refused within the last second. */
  readonly isShedding: boolean;
}

const HEALTH = '/grpc.health.v1.Health/';
const DEFAULT_LEVEL = CRITICALITIES.indexOf('critical');
const OPTIONS = ['maxWaitMs', 'label', 'criticalityOf', 'exempt', 'pushbackMs', 'logger'];
/** Without a refusal: then it is over. */
const CALM_MS = 1_000;

/**
 * Has calls wait their turn while this process cannot keep up, the most important first, and refuses those that waited
 * too long with RESOURCE_EXHAUSTED. So the others are answered in time. Clients that use Graylane send such a server
 * fewer calls and open no breaker (docs/balancing.md, "Less is not dead"). It sees what keeps the event loop busy; it
 * does not see a database that is slow.
 *
 * @throws GraylaneError `INVALID_OPTION`, with each problem on a line.
 * @example
 * const shedding = loadShedding({ maxWaitMs: 100 });
 * const server = new grpc.Server({ interceptors: [shedding.interceptor] });
 */
export function loadShedding(options: LoadSheddingOptions = {}): LoadShedding {
  return new QueueShedding(options);
}

class QueueShedding implements LoadShedding {
  readonly interceptor: ServerInterceptor;
  readonly #logger: Logger;
  readonly #refused: Counter;
  #refusedAtMs = Number.NEGATIVE_INFINITY;
  #end: NodeJS.Timeout | undefined;

  constructor(options: LoadSheddingOptions) {
    const parsed = parse(options);
    this.#logger = safeLogger(toLogger(options.logger ?? consoleLogger));
    this.#refused = loadTelemetry().metrics.getMeter('graylane').createCounter('graylane.server.refused', {
      unit: '{call}',
      description: 'Calls that load shedding refused, by criticality',
    });
    this.interceptor = interceptorOf(
      parsed,
      new CallQueue(parsed.maxWaitMs, (level) => this.#noteRefusal(level)),
      this.#logger,
    );
  }

  get isShedding(): boolean {
    return performance.now() - this.#refusedAtMs < CALM_MS;
  }

  #noteRefusal(level: number): void {
    this.#refused.add(1, { 'graylane.criticality': CRITICALITIES[level] });
    this.#refusedAtMs = performance.now();
    if (this.#end !== undefined) return;
    this.#logger.warn('calls are refused: they cannot begin in time');
    this.#end = setInterval(() => {
      if (this.isShedding) return;
      clearInterval(this.#end);
      this.#end = undefined;
      this.#logger.info('calls are no longer refused');
    }, CALM_MS);
    this.#end.unref();
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

function interceptorOf(rules: ParsedLoadShedding, queue: CallQueue, logger: Logger): ServerInterceptor {
  const { maxWaitMs, pushbackMs, label, exempt, criticalityOf } = rules;
  const { Metadata, ServerInterceptingCall, status } = loadGrpc();
  const refusal = new Metadata();
  refusal.set('grpc-retry-pushback-ms', String(pushbackMs));
  const details = `this server is overloaded: the call could not begin for ${maxWaitMs} ms`;
  const levelOf = (method: string, metadata: Metadata): number =>
    levelNamed(criticalityOf === undefined ? metadata.get(label)[0] : ask(criticalityOf, { method, metadata }, logger));
  const isExempt = (method: string): boolean =>
    method.startsWith(HEALTH) ||
    exempt.some((each) => (each.endsWith('/') ? method.startsWith(each) : method === each));
  return ({ path, requestStream }, next) => {
    if (isExempt(path)) return new ServerInterceptingCall(next);
    let level = DEFAULT_LEVEL;
    let waiting: WaitingCall | undefined;
    const wait = (pass: () => void): void => {
      const refuse = (): void =>
        next.sendStatus({ code: status.RESOURCE_EXHAUSTED, details, metadata: refusal.clone() });
      waiting = { pass, refuse, isCancelled: false };
      queue.enter(level, waiting);
    };
    // A handler begins with the metadata where requests are streamed, else with the whole request.
    return new ServerInterceptingCall(next, {
      start: (proceed) =>
        proceed({
          onReceiveMetadata: (metadata, pass) => {
            level = levelOf(path, metadata);
            if (requestStream) wait(() => pass(metadata));
            else pass(metadata);
          },
          onReceiveHalfClose: (pass) => {
            if (requestStream) pass();
            else wait(pass);
          },
          onCancel: () => {
            if (waiting !== undefined) waiting.isCancelled = true;
          },
        }),
    });
  };
}

function levelNamed(value: unknown): number {
  const level = CRITICALITIES.indexOf(value as Criticality);
  return level === -1 ? DEFAULT_LEVEL : level;
}

/** A fault in the service's own rule is told once. It must not refuse calls, nor end the process as a rejection. */
function ask(criticalityOf: (call: ArrivingCall) => Criticality, call: ArrivingCall, logger: Logger): unknown {
  let level: unknown;
  callListener(
    () => {
      level = criticalityOf(call);
      return level;
    },
    undefined,
    'criticalityOf',
    logger,
  );
  return level;
}

interface ParsedLoadShedding {
  readonly maxWaitMs: number;
  readonly pushbackMs: number;
  readonly label: string;
  readonly exempt: readonly string[];
  readonly criticalityOf: LoadSheddingOptions['criticalityOf'];
}

function parse(options: LoadSheddingOptions): ParsedLoadShedding {
  const read = new OptionReader(options, '', OPTIONS);
  const { criticalityOf } = options;
  const maxWaitMs = read.number('maxWaitMs', { low: 10, high: 60_000, fallback: 100 });
  const pushbackMs = read.number('pushbackMs', { low: 0, high: 60_000, isInteger: true, fallback: 1_000 });
  const expected = 'a key of metadata in lower case, such as x-criticality';
  const label =
    read.optional('label', () => read.text('label', /^[a-z0-9_.-]*(?<!-bin)$/, expected)) ?? 'x-criticality';
  const exempt = read.texts('exempt');
  for (const each of exempt) {
    if (/^\/[^/]+\/[^/]*$/.test(each)) continue;
    read.problem('exempt', showValue(each), '/package.Service/Method, or a prefix that ends in /');
  }
  if (criticalityOf !== undefined && typeof criticalityOf !== 'function') {
    read.problem('criticalityOf', typeof criticalityOf, 'a function');
  }
  read.methods('logger', ['debug', 'info', 'warn', 'error']);
  read.throwProblems();
  return { maxWaitMs, pushbackMs, label, exempt, criticalityOf };
}
