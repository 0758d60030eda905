import { readFileSync } from 'node:fs';

const LOOK_EVERY_MS = 250;
/** In one look, of which so long the process could run and was not let. */
const MOST_WAIT_MS = 300;

/**
 * Whether this machine had the time that the process needs. A call that is late because others had the processor says
 * nothing of what is tested. The kernel counts how long a thread that could run had to wait.
 */
export class MachineWatch {
  busyTimes = 0;
  readonly #timer: NodeJS.Timeout;
  #waitedMs = waitedMs();
  #busyAtMs = Number.NEGATIVE_INFINITY;

  constructor() {
    this.#timer = setInterval(() => this.look(), LOOK_EVERY_MS);
  }

  /** Looks now: a call that ends after a standstill is heard of before the timer is. */
  look(): void {
    const waited = waitedMs();
    if (waited - this.#waitedMs > MOST_WAIT_MS) {
      this.busyTimes += 1;
      this.#busyAtMs = performance.now();
    }
    this.#waitedMs = waited;
  }

  wasBusySince(fromMs: number): boolean {
    this.look();
    return this.#busyAtMs >= fromMs;
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}

/** Milliseconds since its start; 0 where the kernel does not tell. */
function waitedMs(): number {
  try {
    return Number(readFileSync('/proc/self/schedstat', 'utf8').split(' ')[1]) / 1e6;
  } catch {
    return 0;
  }
}
