import type { StaticInstance } from '../discovery/static-instance';
import { GraylaneError } from '../errors';
import { createLane } from '../graylane';
import { silentLogger } from '../internal/logger';
import { seededRandom } from '../internal/random';
import type { Graylane } from '../lane';
import type { PolicyDocument } from '../policy/document';
import { ALL_INSTANCES, type DecidedBy, type Decision } from '../policy/plan';
import type { LaneCall } from '../resolver/lane-call';
import type { LaneMode } from '../resolver/policy-state';
import { FakeClock } from './fake-clock';
import { type EndFailure, type InjectedFailure, InjectedFaults } from './injected-faults';

export interface TestLaneOptions {
  /** As of `createGraylane()`. Default `route`. */
  readonly mode?: LaneMode;
  /** Default: the policy's `service`, else `test`. */
  readonly service?: string;
  readonly policy?: PolicyDocument;
  readonly instances?: readonly StaticInstance[];
  /** First is local. Default: `local`, then those that instances name, by name. */
  readonly datacenters?: readonly string[];
  /** Labels of every call. */
  readonly labels?: Readonly<Record<string, string>>;
  /** Seeds every choice that chance makes. Default 1. */
  readonly seed?: number;
  /** What the lane's wall clock shows at first, which is what a policy's `until` is held against. Default 2026-01-01. */
  readonly startsAt?: Date;
}

/** What the lane decided of one call. */
export interface TestDecision {
  readonly method: string;
  readonly by: DecidedBy;
  readonly route: string;
  readonly subset: string;
  readonly sticky: boolean;
}

/**
 * A lane for tests: no Consul, nothing from the environment, time that stands still, every draw seeded, nothing shared with
 * another lane. Connections and deadlines are grpc-js' own and real.
 */
export interface TestLane extends Omit<Graylane, 'setPolicy' | 'setInstances'> {
  readonly service: string;
  /** Of every call made through the lane so far, in order. */
  readonly decisions: readonly TestDecision[];
  /** Throws PolicyError when it is invalid; the former one then stays. */
  setPolicy(policy: PolicyDocument | undefined): void;
  setInstances(instances: readonly StaticInstance[]): void;
  /**
   * Lets attempts at a subset end with a status instead of reaching it, as if its instances answered so: breakers, retries and
   * failover see it. Gives what ends it early. Throws INVALID_OPTION.
   */
  fail(subset: string, failure?: InjectedFailure): EndFailure;
  /**
   * Moves the lane's clock at once, running the timers that fall due. Resolves when the next pick knows of what followed,
   * such as the weights of a slow start.
   */
  advance(milliseconds: number): Promise<void>;
}

/** Opens a lane for a test. `close()` it afterwards; it leaves no timers and no sockets. */
export function createTestLane(options: TestLaneOptions = {}): TestLane {
  const service = options.service ?? options.policy?.service ?? 'test';
  const clock = new FakeClock(options.startsAt?.getTime());
  const decisions: TestDecision[] = [];
  const faults = new InjectedFaults();
  let { policy } = options;
  const lane = createLane(
    {
      name: `test-lane-${service}`,
      instances: { [service]: options.instances ?? [] },
      ...(options.policy === undefined ? {} : { policies: { [service]: options.policy } }),
      ...(options.datacenters === undefined ? {} : { datacenters: options.datacenters }),
      ...(options.mode === undefined ? {} : { mode: options.mode }),
      ...(options.labels === undefined ? {} : { labels: options.labels }),
      logger: silentLogger,
      closeTimeoutMs: 0,
    },
    { clock, random: seededRandom(options.seed ?? 1), clientId: 'test', env: {} },
    {
      onDecision: (decision: Decision, call: LaneCall) =>
        decisions.push({
          method: call.method,
          by: decision.by,
          route: decision.route,
          subset: decision.destination.subset,
          sticky: call.sticky,
        }),
      intercept: (attempt, listener) => faults.intercept(attempt, listener),
    },
  );
  return {
    name: lane.name,
    service,
    decisions,
    target: (name, query) => lane.target(name, query),
    clientOptions: (given) => lane.clientOptions(given),
    channelOptions: (given) => lane.channelOptions(given),
    channel: (name, credentials, given) => lane.channel(name, credentials, given),
    describeMethods: (...definitions) => lane.describeMethods(...definitions),
    metadata: (labels) => lane.metadata(labels),
    labels: (labels) => lane.labels(labels),
    with: (scope, fn) => lane.with(scope, fn),
    ambientLabels: () => lane.ambientLabels(),
    serverInterceptor: (given) => lane.serverInterceptor(given),
    httpMiddleware: (given) => lane.httpMiddleware(given),
    ready: (name, given) => lane.ready(name, given),
    explain: (name, request) => lane.explain(name, request),
    on: (event, listener, given) => lane.on(event, listener, given),
    breakers: lane.breakers,
    inspect: () => lane.inspect(),
    logFields: () => lane.logFields(),
    adminHandler: () => lane.adminHandler(),
    register: () => lane.register(),
    close: () => lane.close(),
    [Symbol.asyncDispose]: () => lane.close(),
    setPolicy: (next) => {
      lane.setPolicy(service, next);
      policy = next;
    },
    fail: (subset, failure) => {
      const known = Object.keys(policy?.subsets ?? { [ALL_INSTANCES]: {} });
      if (!known.includes(subset)) {
        throw new GraylaneError('INVALID_OPTION', `subset: ${subset} (expected: ${known.join(', ')})`);
      }
      return faults.add(subset, failure ?? {});
    },
    setInstances: (instances) => lane.setInstances(service, instances),
    advance: (milliseconds) => {
      clock.advance(milliseconds);
      // Balancers gather changes until the end of the turn.
      return new Promise((resolve) => setImmediate(resolve));
    },
  };
}
