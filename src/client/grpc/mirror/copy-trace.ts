import {
  type Link,
  propagation,
  ROOT_CONTEXT,
  type Span,
  type SpanContext,
  SpanKind,
  SpanStatusCode,
  type TextMapSetter,
  type Tracer,
  trace,
} from '@opentelemetry/api';
import * as names from '../../telemetry/attributes';
import type { Metadata } from '../grpc-js';

const SETTER: TextMapSetter<Metadata> = { set: (metadata, key, value) => metadata.set(key, value) };

export interface TracedCopy {
  readonly service: string;
  readonly method: string;
  readonly route: string;
  readonly subset: string;
  /** Span of the call; undefined: it has none. */
  readonly call: SpanContext | undefined;
}

/**
 * The span of a copy: a trace of its own, linked to the span of its call. So the call's trace has neither the duration
 * nor the failures of the copy. Undefined where no span can be had; nothing here throws.
 */
export function beginCopySpan(tracer: Tracer, copy: TracedCopy, metadata: Metadata): Span | undefined {
  try {
    const { service, method, route, subset, call } = copy;
    const links: Link[] = call === undefined ? [] : [{ context: call }];
    const attributes = {
      [names.RPC_SYSTEM]: 'grpc',
      [names.RPC_METHOD]: method.slice(1),
      [names.SERVER_ADDRESS]: service,
      [names.ROUTE]: route,
      [names.SUBSET]: subset,
      [names.MIRROR]: true,
    };
    const options = { kind: SpanKind.CLIENT, attributes, links, root: true };
    const span = tracer.startSpan(`Mirror.${method.slice(1)}`, options, ROOT_CONTEXT);
    propagation.inject(trace.setSpan(ROOT_CONTEXT, span), metadata, SETTER);
    return span;
  } catch {
    return undefined;
  }
}

export function endCopySpan(span: Span, code: number): void {
  try {
    const text = names.statusText(code);
    span.setAttribute(names.RPC_STATUS, text);
    if (code !== 0) {
      span.setAttribute(names.ERROR_TYPE, text);
      span.setStatus({ code: SpanStatusCode.ERROR });
    }
    span.end();
  } catch {
    // A span processor of the user threw.
  }
}
