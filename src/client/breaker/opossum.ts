import type { EventEmitter } from 'node:events';
import CircuitBreaker from 'opossum';

/**
 * What this library uses of opossum, and nothing else: its published types miss parts of it, and describe accessors as
 * fields, which cannot be overridden.
 */
export interface OpossumBreaker extends EventEmitter {
  get name(): string;
  get closed(): boolean;
  get opened(): boolean;
  get halfOpen(): boolean;
  get pendingClose(): boolean;
  /** False after `disable()`. */
  get enabled(): boolean;
  readonly status: OpossumStatus;
  readonly options: Record<string, unknown>;
  /** Each tells its listeners and does nothing when there is nothing to change. */
  open(): void;
  close(): void;
  enable(): void;
  disable(): void;
  /** Removes every listener, for good. */
  shutdown(): void;
}

interface OpossumStatus extends EventEmitter {
  /** Totals of the window; summed at each reading. */
  readonly stats: OpossumBucket;
  /** The live buckets, newest first, in an array made for this reading. */
  readonly window: readonly OpossumBucket[];
  /** Drops the oldest bucket and begins a new one. */
  rotateBucket(): void;
}

interface OpossumBucket {
  fires: number;
  successes: number;
  failures: number;
  latencyTimes: number[];
}

export const OpossumBreaker: new (action: () => Promise<void>, options: Record<string, unknown>) => OpossumBreaker =
  CircuitBreaker as never;
