// OpenTelemetry's SDK, and spans of the servers by hand. A service of yours would load instrumentations instead; the
// spans of calls and attempts come from the Graylane clients, in either case.
import type { IncomingHttpHeaders } from 'node:http';
import type { Metadata } from '@grpc/grpc-js';
import { context, propagation, SpanKind, type TextMapGetter, trace } from '@opentelemetry/api';
import {
  InMemorySpanExporter,
  NodeTracerProvider,
  type ReadableSpan,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-node';

export interface Tracing {
  /** Spans that have ended, by trace, each in the order of their begins. Forgets them. */
  takeTraces(): readonly (readonly ReadableSpan[])[];
}

export function startTracing(): Tracing {
  const exporter = new InMemorySpanExporter();
  new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }).register();
  return {
    takeTraces() {
      const traces = new Map<string, ReadableSpan[]>();
      for (const span of exporter.getFinishedSpans()) {
        const { traceId } = span.spanContext();
        traces.set(traceId, [...(traces.get(traceId) ?? []), span]);
      }
      exporter.reset();
      return [...traces.values()].map((spans) => spans.sort((a, b) => startOf(a) - startOf(b)));
    },
  };
}

/** Runs a handler in a span that goes on with its caller's trace. */
export function inServerSpan<C, T>(
  server: string,
  name: string,
  carrier: C,
  getter: TextMapGetter<C>,
  handler: () => Promise<T>,
): Promise<T> {
  const parent = propagation.extract(context.active(), carrier, getter);
  const options = { kind: SpanKind.SERVER, attributes: { server } };
  const span = trace.getTracer('three-hops').startSpan(name, options, parent);
  return context.with(trace.setSpan(parent, span), () => handler().finally(() => span.end()));
}

export const headerGetter: TextMapGetter<IncomingHttpHeaders> = {
  get: (headers, key) => headers[key],
  keys: (headers) => Object.keys(headers),
};

export const metadataGetter: TextMapGetter<Metadata> = {
  get: (metadata, key) => metadata.get(key).map(String),
  keys: (metadata) => Object.keys(metadata.getMap()),
};

function startOf({ startTime: [seconds, nanoseconds] }: ReadableSpan): number {
  return seconds * 1e9 + nanoseconds;
}
