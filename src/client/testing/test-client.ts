import { Metadata } from '@grpc/grpc-js';
import { defined } from '../../base/defined';
import { GraylaneError } from '../../base/errors';
import { silentLogger } from '../../base/logger';
import { seededRandom } from '../../base/random';
import { STATUS_NAMES, statusCodeOf } from '../../base/status-names';
import type { PolicyDocument, StatusName } from '../../policy/document';
import { isLaneSubset } from '../../policy/lanes/lane-plan';
import { destinationPaths } from '../../policy/places/destination';
import { ALL_INSTANCES, type DecidedBy, type Decision } from '../../policy/plan';
import type { Graylane } from '../api';
import type { StaticInstance } from '../discovery/static-instance';
import { createGraylaneWith } from '../graylane';
import type { AttemptView, CallState } from '../grpc/call-state';
import type { SubchannelCall, SubchannelCallListener } from '../grpc/grpc-js';
import type { ClientMode } from '../state/policy-state';
import { FakeClock } from './fake-clock';

/** What a test client is made of. */
export interface TestClientOptions {
  /** As of `createGraylane()`. Default `route`. */
  readonly mode?: ClientMode;
  /** By service, or a list for the one `service`. */
  readonly instances?: Readonly<Record<string, readonly StaticInstance[]>> | readonly StaticInstance[];
  /** By service. */
  readonly policies?: Readonly<Record<string, PolicyDocument>>;
  /** The policy of one service, which the document names. */
  readonly policy?: PolicyDocument;
  /** The service of a list of `instances`. Default: that of `policy`, else `test`. */
  readonly service?: string;
  /** First is local. Default: `local`, then those that instances name, by name. */
  readonly datacenters?: readonly string[];
  /** Lists of values by name, for matchers that name them. Default: none. */
  readonly lists?: Readonly<Record<string, readonly string[]>>;
  /** The name that the client states of itself, for `match.from`. Default: none. */
  readonly serviceName?: string;
  /** Labels of every call. */
  readonly labels?: Readonly<Record<string, string>>;
  /** Seeds the random numbers. Decisions have theirs apart, so that no balancing changes them. Default 1. */
  readonly seed?: number;
  /**
   * What the client's wall clock shows at first, which is what a policy's `until` is held against. Default 2026-01-01.
   */
  readonly startsAt?: Date;
}

/** What attempts at a subset end with, instead of reaching it. */
export interface InjectedFailure {
  /** Default UNAVAILABLE. */
  readonly code?: StatusName;
  /** How many attempts end so, retries included. Default: all until it is ended. */
  readonly times?: number;
  /** Real milliseconds before the status comes, >= 0. Default 0. */
  readonly delayMs?: number;
}

/** Ends an injected failure, if its `times` are not used up. Idempotent. */
export type EndFailure = () => void;

/** What was decided of one call. */
export interface TestDecision {
  /** Service that was called. */
  readonly service: string;
  /** `/package.Service/Method`. */
  readonly method: string;
  /** What decided. */
  readonly by: DecidedBy;
  /** Name of the route; `default`, `override` and `force` stand for themselves. */
  readonly route: string;
  /** The subset that was decided on. */
  readonly subset: string;
  /** The lane that it leads to. */
  readonly lane?: string;
  /** It went by a sticky value rather than by chance. */
  readonly sticky: boolean;
}

/** {@link InjectedFailure} of one service's subset. */
export interface TestFailure extends InjectedFailure {
  /** Needed where several services have a subset of that name. */
  readonly service?: string;
}

/**
 * A Graylane client for tests. No Consul, nothing from the environment, a clock that stands still, and seeded random
 * numbers; it shares nothing with another client. Connections and deadlines are real. It can be used wherever a
 * `Graylane` is.
 */
export interface TestClient extends Graylane {
  /** The services that `instances` and the policies name. */
  readonly services: readonly string[];
  /** The decisions of all calls made through the client so far, in order. */
  readonly decisions: readonly TestDecision[];
  /**
   * Ends attempts at a subset, or at `lane NAME`, with a status, as if its instances answered so: breakers, retries and failover see it.
   * Returns the function that ends the failure early. Throws INVALID_OPTION.
   */
  fail(subset: string, failure?: TestFailure): EndFailure;
  /**
   * Moves the client's clock and runs the timers that fall due. Resolves when the next pick sees the effects, such as
   * the weights of a slow start.
   */
  advance(milliseconds: number): Promise<void>;
}

/**
 * Creates a client for a test. `close()` it afterwards; it leaves no timers and no sockets. Throws as
 * `createGraylane()` does.
 */
export function createTestClient(options: TestClientOptions = {}): TestClient {
  const { seed = 1 } = options;
  const clock = new FakeClock(options.startsAt?.getTime());
  const decisions: TestDecision[] = [];
  const faults = new InjectedFaults();
  const policies = new Map(Object.entries(options.policies ?? {}));
  if (options.policy !== undefined) policies.set(options.policy.service, options.policy);
  const instances = instancesOf(options);
  const services = [...new Set([...Object.keys(instances), ...policies.keys()])];
  const client = createGraylaneWith(
    {
      name: `test-${services.join('-')}`,
      instances: { ...Object.fromEntries(services.map((service) => [service, []])), ...instances },
      policies: Object.fromEntries(policies),
      ...defined({ datacenters: options.datacenters, mode: options.mode, labels: options.labels }),
      ...defined({ serviceName: options.serviceName, lists: options.lists }),
      logger: silentLogger,
      closeTimeoutMs: 0,
    },
    { clock, random: seededRandom(seed + 1), decisionRandom: seededRandom(seed), clientId: 'test', env: {} },
    {
      onDecision: (decision: Decision, call: CallState) =>
        decisions.push({
          service: decision.plan.service,
          method: call.method,
          by: decision.by,
          route: decision.route,
          subset: decision.destination.subset,
          ...defined({ lane: decision.lane }),
          sticky: call.sticky,
        }),
      intercept: (attempt, listener) => faults.intercept(attempt, listener),
    },
  );
  const setPolicy = client.setPolicy.bind(client);
  return Object.assign(client, {
    services,
    decisions,
    setPolicy(service: string, document: PolicyDocument | undefined): void {
      setPolicy(service, document);
      if (document === undefined) policies.delete(service);
      else policies.set(service, document);
    },
    fail(subset: string, { service, ...failure }: TestFailure = {}): EndFailure {
      return faults.add(ownerOf(subset, service, services, policies), subset, failure);
    },
    advance(milliseconds: number): Promise<void> {
      clock.advance(milliseconds);
      // Balancers gather changes until the end of the turn.
      return new Promise((resolve) => setImmediate(resolve));
    },
  });
}

function instancesOf(options: TestClientOptions): Readonly<Record<string, readonly StaticInstance[]>> {
  const { instances, policy, policies } = options;
  const service = options.service ?? policy?.service;
  if (instances === undefined && service === undefined && policies !== undefined) return {};
  if (instances !== undefined && !isList(instances)) return instances;
  return { [service ?? 'test']: instances ?? [] };
}

/** `Array.isArray` does not narrow to read-only lists. */
function isList<T>(value: Readonly<Record<string, readonly T[]>> | readonly T[]): value is readonly T[] {
  return Array.isArray(value);
}

/** The service that has this subset. */
function ownerOf(
  subset: string,
  service: string | undefined,
  services: readonly string[],
  policies: ReadonlyMap<string, PolicyDocument>,
): string {
  const asked = service === undefined ? services : services.filter((name) => name === service);
  if (asked.length === 0) {
    throw new GraylaneError('INVALID_OPTION', `service: ${service} (expected: ${services.join(', ')})`);
  }
  const subsetsOf = (name: string): string[] => subsetsReached(policies.get(name));
  const isLane = isLaneSubset(subset);
  const owners = asked.filter((name) =>
    isLane ? policies.get(name)?.lanes !== undefined : subsetsOf(name).includes(subset),
  );
  const [owner] = owners;
  if (owner === undefined) {
    const known = [...new Set(asked.flatMap(subsetsOf))];
    throw new GraylaneError('INVALID_OPTION', `subset: ${subset} (expected: ${known.join(', ')})`);
  }
  if (owners.length > 1) {
    throw new GraylaneError(
      'INVALID_OPTION',
      `service: missing (expected: one of ${owners.join(', ')}, which have ${subset})`,
    );
  }
  return owner;
}

/** The subsets of the policy, and those of other services that it leads to, by the names that its plan has for them. */
function subsetsReached(document: PolicyDocument | undefined): string[] {
  if (document === undefined) return [ALL_INSTANCES];
  return [
    ...new Set([...Object.keys(document.subsets ?? { [ALL_INSTANCES]: {} }), ...destinationPaths(document).keys()]),
  ];
}

interface Fault {
  readonly service: string;
  readonly subset: string;
  readonly code: number;
  readonly delayMs: number;
  left: number;
}

/** Takes the place of the network for attempts at a subset that is told to fail. All other attempts go through. */
class InjectedFaults {
  #faults: readonly Fault[] = [];

  add(
    service: string,
    subset: string,
    { code = 'UNAVAILABLE', times = Number.POSITIVE_INFINITY, delayMs = 0 }: InjectedFailure,
  ): EndFailure {
    const number = statusCodeOf(code);
    const problems: string[] = [];
    if (number === undefined) problems.push(`code: ${code} (expected: ${STATUS_NAMES.join(', ')})`);
    if (!(times >= 1)) problems.push(`times: ${times} (expected: >= 1)`);
    if (!(delayMs >= 0 && delayMs <= 2_147_483_647)) problems.push(`delayMs: ${delayMs} (expected: >= 0)`);
    if (number === undefined || problems.length > 0) throw new GraylaneError('INVALID_OPTION', problems.join('\n'));
    const fault: Fault = { service, subset, code: number, delayMs, left: times };
    this.#faults = [...this.#faults, fault];
    return () => {
      this.#faults = this.#faults.filter((each) => each !== fault);
    };
  }

  intercept(attempt: AttemptView, listener: SubchannelCallListener): SubchannelCall | undefined {
    const service = attempt.call.decision?.plan.service;
    const fault = this.#faults.find(
      (each) => each.service === service && each.subset === attempt.subset && each.left > 0,
    );
    if (fault === undefined) return undefined;
    fault.left -= 1;
    return failingCall(fault, listener);
  }
}

function failingCall({ subset, code, delayMs }: Fault, listener: SubchannelCallListener): SubchannelCall {
  let isOver = false;
  const end = (status: number, details: string): void => {
    if (isOver) return;
    isOver = true;
    clearTimeout(timer);
    listener.onReceiveStatus({ code: status, details, metadata: new Metadata() });
  };
  const timer = setTimeout(() => end(code, `${subset} was told to fail by the test`), delayMs);
  return {
    // In a later turn, as a transport does.
    cancelWithStatus: (status, details) => void setImmediate(() => end(status, details)),
    getPeer: () => `failing ${subset}`,
    sendMessageWithContext: (context) => void setImmediate(() => context.callback?.()),
    startRead() {},
    halfClose() {},
    getCallNumber: () => 0,
    getDeadlineInfo: () => [],
    getAuthContext: () => ({}),
  };
}
