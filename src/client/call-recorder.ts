import { createWriteStream } from 'node:fs';
import type { Writable } from 'node:stream';
import type { CallRecord } from '../policy/routing/call-record';
import type { Graylane } from './api';
import type { DecisionEvent } from './grpc/decision-events';

/** Where calls are recorded, and how many. */
export interface CallRecorderOptions {
  /** A file, made with mode 0600 and added to where it exists; or a stream, which is not ended by us. */
  readonly to: string | Writable;
  /** Share of calls to record: > 0, at most 1. Default 1. */
  readonly sample?: number;
  /** Records after which no more are taken. Default 1,000,000. */
  readonly limit?: number;
}

/** A recording that runs until it is closed. */
export interface CallRecorder {
  /** Calls recorded so far. */
  readonly recorded: number;
  /** Calls left out since the destination was not taking more, or could not be written. */
  readonly dropped: number;
  /** Why it cannot be written. */
  readonly failure: string | undefined;
  /** Ends the recording; resolves when a file of ours holds it all. Idempotent. */
  close(): Promise<void>;
  /** The same as `close()`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Records a client's calls as NDJSON for `graylane simulate --from`: method, the labels that the policy reads and no
 * others, what was decided. Never holds a call up: what the destination does not take at once is dropped and counted.
 * Throws INVALID_OPTION.
 */
export function recordCalls(graylane: Pick<Graylane, 'on'>, options: CallRecorderOptions): CallRecorder {
  const { to, sample = 1, limit = 1_000_000 } = options;
  let recorded = 0;
  let dropped = 0;
  let failure: string | undefined;
  let stream: Writable | undefined;
  const failed = (error: Error): void => {
    failure ??= error.message;
  };
  const stop = graylane.on(
    'decision',
    (event) => {
      if (stream === undefined || recorded >= limit) return;
      if (failure !== undefined || stream.writableNeedDrain || stream.destroyed) {
        dropped += 1;
        return;
      }
      stream.write(`${JSON.stringify(recordOf(event))}\n`);
      recorded += 1;
    },
    { sample },
  );
  // After the listener, so that a refused option leaves no file behind.
  stream = typeof to === 'string' ? createWriteStream(to, { flags: 'a', mode: 0o600 }) : to;
  stream.on('error', failed);
  const destination = stream;
  const end = async (): Promise<void> => {
    stop();
    if (typeof to !== 'string') destination.off('error', failed);
    else if (!destination.destroyed) {
      await new Promise<void>((resolve) => {
        destination.once('close', resolve);
        destination.end();
      });
    }
  };
  let ended: Promise<void> | undefined;
  const close = (): Promise<void> => {
    ended ??= end();
    return ended;
  };
  return {
    get recorded() {
      return recorded;
    },
    get dropped() {
      return dropped;
    },
    get failure() {
      return failure;
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

function recordOf({ atMs, sticky: _, bucket: __, mode: ___, ...rest }: DecisionEvent): CallRecord {
  return { at: new Date(atMs).toISOString(), ...rest };
}
