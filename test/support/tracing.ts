import { DiagLogLevel, diag } from '@opentelemetry/api';
import {
  InMemorySpanExporter,
  NodeTracerProvider,
  type ReadableSpan,
  type Sampler,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-node';

/** OpenTelemetry's own SDK, keeping spans in memory. Registered for the whole test file. */
export interface Tracing {
  readonly provider: NodeTracerProvider;
  /** Spans that have ended since the last call, in the order of their ends. */
  take(): readonly ReadableSpan[];
  /** What the SDK complained of, such as a span that was ended twice. */
  readonly complaints: readonly string[];
}

export function startTracing(options: { readonly sampler?: Sampler } = {}): Tracing {
  const complaints: string[] = [];
  const complain = (message: string): void => void complaints.push(message);
  const quiet = (): void => {};
  diag.setLogger(
    { error: complain, warn: complain, info: quiet, debug: quiet, verbose: quiet },
    { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true },
  );
  const exporter = new InMemorySpanExporter();
  const provider = new NodeTracerProvider({ ...options, spanProcessors: [new SimpleSpanProcessor(exporter)] });
  provider.register();
  return {
    provider,
    complaints,
    take() {
      const spans = exporter.getFinishedSpans();
      exporter.reset();
      return spans;
    },
  };
}

/** The span of a call and those of its attempts, in the order of their begins. */
export interface CallSpans {
  readonly call: ReadableSpan;
  readonly attempts: readonly ReadableSpan[];
}

/** Throws unless every attempt belongs to a call that is there too. */
export function callsOf(spans: readonly ReadableSpan[]): readonly CallSpans[] {
  const calls = spans.filter((span) => !span.name.startsWith('Attempt.'));
  const attempts = spans.filter((span) => span.name.startsWith('Attempt.'));
  const orphans = attempts.filter(
    (attempt) => !calls.some((call) => call.spanContext().spanId === attempt.parentSpanContext?.spanId),
  );
  if (orphans.length > 0) throw new Error(`${orphans.length} attempts without a call`);
  return calls.map((call) => ({
    call,
    attempts: attempts
      .filter((attempt) => attempt.parentSpanContext?.spanId === call.spanContext().spanId)
      .sort((a, b) => a.startTime[0] - b.startTime[0] || a.startTime[1] - b.startTime[1]),
  }));
}
