import type { Clock } from '../../base/clock';
import type { Random } from '../../base/random';
import type { Breaker } from './breaker';
import type { BreakerEvent, BreakerLevel, BreakerState } from './view';

export interface BreakerDeps {
  readonly clock: Clock;
  readonly random: Random;
  /** After each change of state, before listeners on the opossum object. Must not throw. */
  readonly changed: (breaker: Breaker, event: BreakerEvent, from: BreakerState) => void;
  /** The window was empty and now holds something. */
  readonly counted: (breaker: Breaker) => void;
  readonly listenerFailed: (error: unknown) => void;
}

export interface BreakerIdentity {
  readonly key: string;
  readonly level: BreakerLevel;
  /** opossum's name and group. */
  readonly name: string;
  readonly group: string;
}
