export type { Clock, Timer } from '../base/clock';
export { type Random, seededRandom } from '../base/random';
export type { StaticInstance } from '../discovery/static-instance';
export type { ExpectedDecision, PolicyCase } from '../policy/routing/policy-case';
export { FakeClock } from './fake-clock';
export { type FakeHandler, type FakeService, type FakeServiceOptions, fakeService } from './fake-service';
export type { EndFailure, InjectedFailure } from './injected-faults';
export { assertDecision, type PolicyCasesOptions, type PolicyTest, policyCases } from './policy-cases';
export {
  createTestClient,
  type TestClient,
  type TestClientOptions,
  type TestDecision,
  type TestFailure,
} from './test-client';
