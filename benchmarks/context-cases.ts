import { AsyncLocalStorage, AsyncResource } from 'node:async_hooks';
import type { BenchmarkCase } from './harness';

/** A unary call tells its caller of headers, of a message and of its status. */
const CALLBACKS = 3;

export const CONTEXT_GROUP = `the caller's async context, ${CALLBACKS} callbacks of one call`;
export const CONTEXT_CASE = 'call that is an AsyncResource';

/**
 * What it costs a call to tell its caller everything in the caller's async context: the context is captured when the call is
 * made, and entered for each callback. Beside calling back as it comes, and what Node offers by name for this.
 */
export function contextCases(): BenchmarkCase[] {
  // As in a service: one store of its own, graylane's and OpenTelemetry's.
  const stores = Array.from({ length: 3 }, () => new AsyncLocalStorage<object>());
  const inStores = (run: () => unknown): unknown =>
    stores.reduce<() => unknown>((inner, store) => () => store.run({}, inner), run)();
  const benchmark = (name: string, make: () => Call): BenchmarkCase => ({
    group: CONTEXT_GROUP,
    name,
    run: (count) => inStores(() => runCalls(make, count)),
  });
  return [
    benchmark('as it comes', () => new PlainCall()),
    benchmark(CONTEXT_CASE, () => new ResourceCall()),
    benchmark('AsyncLocalStorage.snapshot()', () => new SnapshotCall()),
  ];
}

interface Call {
  readonly told: number;
  tell(count: number): void;
}

function runCalls(make: () => Call, count: number): number {
  let told = 0;
  for (let index = 0; index < count; index += 1) {
    const call = make();
    for (let callback = 0; callback < CALLBACKS; callback += 1) call.tell(callback);
    told += call.told;
  }
  return told;
}

class PlainCall implements Call {
  told = 0;

  tell(count: number): void {
    this.heard(count);
  }

  protected heard(count: number): void {
    this.told += count;
  }
}

class ResourceCall extends AsyncResource implements Call {
  told = 0;

  constructor() {
    super('BenchmarkCall', { requireManualDestroy: true });
  }

  tell(count: number): void {
    this.runInAsyncScope(this.#heard, this, count);
  }

  #heard(count: number): void {
    this.told += count;
  }
}

class SnapshotCall extends PlainCall {
  readonly #run = AsyncLocalStorage.snapshot();

  override tell(count: number): void {
    this.#run(() => this.heard(count));
  }
}
