import {
  createNoopMeter,
  type MeterProvider,
  metrics,
  type ProxyTracerProvider,
  type Tracer,
  type TracerProvider,
  trace,
} from '@opentelemetry/api';
import { SDK_VERSION } from '../../base/sdk-version';
import type { Instruments } from './instruments';
import { type Collected, hubOf, type MeterHub } from './meter-hub';

/** What a client reports to OpenTelemetry. While no SDK is registered it reports nothing, at next to no cost. */
export interface TelemetryOptions {
  /** A span for each call and each attempt. Default true. */
  readonly traces?: boolean;
  /** Default true. */
  readonly metrics?: boolean;
  /** Default: the global one, also when it is registered after the client was created. */
  readonly tracerProvider?: TracerProvider;
  /** Default: the global one, also when it is registered after the client was created. */
  readonly meterProvider?: MeterProvider;
}

const NAME = 'graylane';
const NOOP_METER = createNoopMeter();

/** Where every copy of the OpenTelemetry API, version 1, keeps what the application has registered. */
const REGISTRY = Symbol.for('opentelemetry.js.api.1');

interface WithRegistry {
  readonly [REGISTRY]?: Readonly<Partial<Record<'trace' | 'metrics', object>>>;
}

/** The telemetry of one client: its tracer, its meter, and the services that report to them. */
export class ClientTelemetry {
  readonly #client: string;
  readonly #options: TelemetryOptions;
  readonly #services: Collected[] = [];
  #tracer: Tracer | undefined;
  #hub: MeterHub | undefined;
  #isClosed = false;

  constructor(client: string, options: TelemetryOptions) {
    this.#client = client;
    this.#options = options;
  }

  /**
   * Undefined while there is no SDK for spans. Looks for one until there is one, which is cheaper than spans without
   * SDK.
   */
  get tracer(): Tracer | undefined {
    const { traces, tracerProvider } = this.#options;
    if (this.#tracer !== undefined || traces === false) return this.#tracer;
    if (tracerProvider === undefined && !isRegistered('trace')) return undefined;
    const provider: TracerProvider & Partial<ProxyTracerProvider> = tracerProvider ?? trace.getTracerProvider();
    this.#tracer =
      provider.getDelegateTracer === undefined
        ? provider.getTracer(NAME, SDK_VERSION)
        : provider.getDelegateTracer(NAME, SDK_VERSION);
    return this.#tracer;
  }

  get instruments(): Instruments | undefined {
    return this.#hub?.instruments;
  }

  /** Whether there is an SDK for metrics. Looks for one until there is one: the API has no proxy for meters. */
  isMeasuring(): boolean {
    if (this.#hub !== undefined) return true;
    const { metrics: isWanted, meterProvider } = this.#options;
    if (isWanted === false || this.#isClosed) return false;
    if (meterProvider === undefined && !isRegistered('metrics')) return false;
    const provider = meterProvider ?? metrics.getMeterProvider();
    const meter = provider.getMeter(NAME, SDK_VERSION);
    if (meter === NOOP_METER) return false;
    this.#hub = hubOf(meter);
    for (const service of this.#services) this.#hub.add(service);
    return true;
  }

  /** Collects a service from now on, and again after an SDK was registered. */
  collect(service: Omit<Collected, 'client'>): void {
    const collected: Collected = { ...service, client: this.#client };
    this.#services.push(collected);
    if (this.isMeasuring()) this.#hub?.add(collected);
  }

  close(): void {
    this.#isClosed = true;
    for (const service of this.#services) this.#hub?.remove(service);
  }
}

/**
 * Whether an SDK has been registered. Asked at every call as long as there is none. The API's own way of finding it
 * compares versions each time, which is too slow for that.
 */
export function isRegistered(kind: 'trace' | 'metrics'): boolean {
  return (globalThis as WithRegistry)[REGISTRY]?.[kind] !== undefined;
}
