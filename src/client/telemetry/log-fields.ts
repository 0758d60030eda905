import { isSpanContextValid, trace } from '@opentelemetry/api';

/** Fields for a log line of the application: the current trace, and the labels that calls made now would carry. */
export interface CallLogFields {
  /** As OpenTelemetry names them in logs; absent outside of a span. */
  readonly trace_id?: string;
  /** As OpenTelemetry names it in logs; absent outside of a span. */
  readonly span_id?: string;
  /** As OpenTelemetry names it in logs; absent outside of a span. */
  readonly trace_flags?: string;
  /** Ambient and static labels; absent when there are none. */
  readonly labels?: Readonly<Record<string, string>>;
}

/** Reads the current async context. */
export function currentLogFields(labels: Readonly<Record<string, string>>): CallLogFields {
  const span = trace.getActiveSpan()?.spanContext();
  return {
    ...(span === undefined || !isSpanContextValid(span)
      ? {}
      : {
          trace_id: span.traceId,
          span_id: span.spanId,
          trace_flags: span.traceFlags.toString(16).padStart(2, '0'),
        }),
    ...(Object.keys(labels).length === 0 ? {} : { labels }),
  };
}
