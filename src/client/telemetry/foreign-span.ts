import { type Span, SpanKind } from '@opentelemetry/api';

const INSTRUMENTATION = '@opentelemetry/instrumentation-grpc';

/** What spans of OpenTelemetry's SDK tell of themselves; the API has no getters. */
interface ReadableSpan {
  readonly kind?: SpanKind;
  readonly name?: string;
  readonly ended?: boolean;
  readonly instrumentationScope?: { readonly name?: string };
}

/**
 * True when `@opentelemetry/instrumentation-grpc` has already begun the span of this very call, so that a second one would
 * be a double. Its span of an earlier call may still be the active one in that call's callback: that has ended.
 */
export function isSpanOfCall(span: Span, method: string): boolean {
  const { kind, name, ended, instrumentationScope } = span as ReadableSpan;
  return (
    instrumentationScope?.name === INSTRUMENTATION &&
    kind === SpanKind.CLIENT &&
    ended !== true &&
    span.isRecording() &&
    name === `grpc.${method.slice(1)}`
  );
}
