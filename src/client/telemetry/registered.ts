/** Where every copy of the OpenTelemetry API, version 1, keeps what the application has registered. */
const REGISTRY = Symbol.for('opentelemetry.js.api.1');

interface WithRegistry {
  readonly [REGISTRY]?: Readonly<Partial<Record<'trace' | 'metrics', object>>>;
}

/**
 * Whether an SDK has been registered. Asked at every call for as long as there is none, and so without the API's own way of
 * finding it, which compares versions each time.
 */
export function isRegistered(kind: 'trace' | 'metrics'): boolean {
  return (globalThis as WithRegistry)[REGISTRY]?.[kind] !== undefined;
}
