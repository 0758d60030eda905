export type { Clock, Timer } from './base/clock';
export { type Random, seededRandom } from './base/random';
export type { StaticInstance } from './client/discovery/static-instance';
export { FakeClock } from './client/testing/fake-clock';
export {
  type FakeHandler,
  type FakeService,
  type FakeServiceOptions,
  fakeService,
} from './client/testing/fake-service';
export { assertDecision, type PolicyCasesOptions, type PolicyTest, policyCases } from './client/testing/policy-cases';
export {
  createTestClient,
  type EndFailure,
  type InjectedFailure,
  type TestClient,
  type TestClientOptions,
  type TestDecision,
  type TestFailure,
} from './client/testing/test-client';
export type { ExpectedDecision, PolicyCase } from './policy/routing/policy-case';
