export type { StaticInstance } from '../discovery/static-instance';
export type { Clock, Timer } from '../internal/clock';
export { type Random, seededRandom } from '../internal/random';
export { FakeClock } from './fake-clock';
export { createTestLane, type TestDecision, type TestLane, type TestLaneOptions } from './test-lane';
