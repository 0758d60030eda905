import type { ReadableSpan } from '@opentelemetry/sdk-trace-node';

/** The spans of a trace in which everything was called by one thing: each is the parent of the next. */
export function chainOf(spans: readonly ReadableSpan[]): readonly ReadableSpan[] {
  const chain: ReadableSpan[] = [];
  let parent: string | undefined;
  for (;;) {
    const [child, ...others] = spans.filter(({ parentSpanContext }) => parentSpanContext?.spanId === parent);
    if (child === undefined || others.length > 0) return chain;
    chain.push(child);
    parent = child.spanContext().spanId;
  }
}

export function isAttempt({ name }: ReadableSpan): boolean {
  return name.startsWith('Attempt.');
}

/** What an attempt says of where it went. */
export function whereTo({ attributes }: ReadableSpan): Readonly<Record<string, unknown>> {
  return {
    instance: attributes['graylane.instance'],
    port: attributes['server.port'],
    subset: attributes['graylane.subset'],
    datacenter: attributes['graylane.datacenter'],
    route: attributes['graylane.route'],
    revision: attributes['graylane.policy.revision'],
  };
}
