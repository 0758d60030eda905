import { MethodTime } from './methods';

/**
 * A running attempt, as the load of its endpoint keeps it: a link in a list ordered by start. By itself for simulations
 * and tests: without a time of its method, milliseconds are the multiples, since the usual time is 1 ms.
 */
export class AttemptLink {
  startedAtMs = 0;
  responded = false;
  /** Of its method, over all endpoints: until a good answer, or of streams until their end. */
  time: MethodTime;
  /**
   * A stream, or what may be one: it teaches no latency, and its silence proves nothing. Does not change while it runs.
   */
  isStream: boolean;
  /**
   * Counted among streams and other calls that last. True of each stream; the load makes it so of others that turn out
   * to last.
   */
  lasts: boolean;
  /** Both are undefined while the attempt is not running. */
  previous: AttemptLink | undefined = undefined;
  next: AttemptLink | undefined = undefined;

  constructor(time: MethodTime = new MethodTime(1), kind: 'call' | 'long' | 'stream' = 'call') {
    this.time = time;
    this.isStream = kind === 'stream';
    this.lasts = kind !== 'call';
  }
}
