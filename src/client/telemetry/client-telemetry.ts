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
import type { ServiceReading } from './reading';
import { isRegistered } from './registered';
import { ServiceTelemetry } from './service-telemetry';

/** What a client reports to OpenTelemetry. All of it goes nowhere, at next to no cost, while no SDK is registered. */
export interface TelemetryOptions {
  /** A span for each call and each attempt. Default true. */
  readonly traces?: boolean;
  /** Default true. */
  readonly metrics?: boolean;
  /** Default: the global one, also when it is registered after the Graylane client was opened. */
  readonly tracerProvider?: TracerProvider;
  /** Default: the global one, also when it is registered after the Graylane client was opened. */
  readonly meterProvider?: MeterProvider;
}

const NAME = 'graylane';
const NOOP_METER = createNoopMeter();

/** The telemetry of one Graylane client: which tracer and which meter, and the services that report to them. */
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

  /** Undefined while spans would go nowhere. Looks for an SDK until there is one, which is cheaper than spans of nobody's. */
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

  /** Whether metrics go anywhere. Looks for an SDK until there is one: the API has no proxy for meters. */
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

  /** `name` tells the services of a Graylane client apart. `read` is called at each collection. */
  service(name: string, read: () => ServiceReading): ServiceTelemetry {
    const telemetry = new ServiceTelemetry(this, name);
    const collected: Collected = {
      client: this.#client,
      service: name,
      counts: telemetry.counts,
      read,
      flush: () => telemetry.durations.flush(),
    };
    this.#services.push(collected);
    if (this.isMeasuring()) this.#hub?.add(collected);
    return telemetry;
  }

  close(): void {
    this.#isClosed = true;
    for (const service of this.#services) this.#hub?.remove(service);
  }
}
