/** Most important first. */
export const CRITICALITIES = ['critical-plus', 'critical', 'sheddable-plus', 'sheddable'] as const;

/**
 * How much a call matters, from `critical-plus` to `sheddable`: the four of Google's SRE book, chapter "Handling
 * Overload". A call that does not say is `critical`.
 */
export type Criticality = (typeof CRITICALITIES)[number];

/** A call in the queue. Exactly one of the two is called, or none after `isCancelled` became true. */
export interface WaitingCall {
  /** Its handler begins. */
  readonly pass: () => void;
  readonly refuse: () => void;
  isCancelled: boolean;
}

/** So long calls begin one after the other before what is ready in the event loop has its turn. */
const SLICE_MS = 10;

/**
 * Where the calls of a busy process wait, most important first. While the process keeps up, a call passes at once.
 * Without the queue Node begins all calls that it finds in its sockets in one turn of the event loop, up to 32 reads
 * of each, and no answer leaves before that turn ends: a second or more where handlers are slow. A call that waited
 * longer than `maxWaitMs` is refused.
 */
export class CallQueue {
  readonly #maxWaitMs: number;
  readonly #onRefusal: (level: number) => void;
  /** By criticality, oldest first. */
  readonly #waiting: readonly { readonly call: WaitingCall; readonly sinceMs: number }[][];
  #length = 0;
  /** When this slice of work began; undefined before the first call of a turn. */
  #sliceFromMs: number | undefined;

  /** `onRefusal`: called before a call is refused, with its place in `CRITICALITIES`. */
  constructor(maxWaitMs: number, onRefusal: (level: number) => void) {
    this.#maxWaitMs = maxWaitMs;
    this.#onRefusal = onRefusal;
    this.#waiting = CRITICALITIES.map(() => []);
  }

  /** `level`: place in `CRITICALITIES`. */
  enter(level: number, call: WaitingCall): void {
    const nowMs = performance.now();
    if (this.#sliceFromMs === undefined) {
      this.#sliceFromMs = nowMs;
      setImmediate(this.#nextSlice);
    }
    if (this.#length === 0 && nowMs - this.#sliceFromMs < SLICE_MS) {
      call.pass();
      return;
    }
    this.#waiting[level]?.push({ call, sinceMs: nowMs });
    this.#length += 1;
  }

  readonly #nextSlice = (): void => {
    try {
      this.#workOff();
    } finally {
      if (this.#length > 0) setImmediate(this.#nextSlice);
      else this.#sliceFromMs = undefined;
    }
  };

  /** What a call throws ends its slice, and not the queue. */
  #workOff(): void {
    const begunMs = performance.now();
    this.#sliceFromMs = begunMs;
    for (const [level, calls] of this.#waiting.entries()) {
      while (calls[0] !== undefined && begunMs - calls[0].sinceMs > this.#maxWaitMs) {
        const call = this.#next(calls);
        if (call === undefined) continue;
        this.#onRefusal(level);
        call.refuse();
      }
    }
    for (const calls of this.#waiting) {
      while (calls.length > 0 && performance.now() - begunMs < SLICE_MS) this.#next(calls)?.pass();
    }
  }

  /** Undefined where it was cancelled meanwhile. */
  #next(calls: { readonly call: WaitingCall }[]): WaitingCall | undefined {
    const call = calls.shift()?.call;
    this.#length -= 1;
    return call?.isCancelled === false ? call : undefined;
  }
}
