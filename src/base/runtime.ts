import type { Clock } from './clock';
import type { Logger } from './logger';
import type { Random } from './random';

/**
 * What most parts need of the world around them. Handed in, so that tests can move time, seed chance and read the log.
 */
export interface Runtime {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}
