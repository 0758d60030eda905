import { GraylaneError } from '../../base/errors';
import { silentLogger } from '../../base/logger';
import { seededRandom } from '../../base/random';
import type { PolicyDocument } from '../../policy/document';
import { ALL_INSTANCES, type DecidedBy, type Decision } from '../../policy/plan';
import type { Graylane } from '../api';
import type { StaticInstance } from '../discovery/static-instance';
import { createGraylaneWith } from '../graylane';
import type { LaneCall } from '../grpc/lane-call';
import type { ClientMode } from '../state/policy-state';
import { FakeClock } from './fake-clock';
import { type EndFailure, type InjectedFailure, InjectedFaults } from './injected-faults';

export interface TestClientOptions {
  /** As of `createGraylane()`. Default `route`. */
  readonly mode?: ClientMode;
  /** By service; or a list, which is that of `service`. */
  readonly instances?: Readonly<Record<string, readonly StaticInstance[]>> | readonly StaticInstance[];
  /** By service. */
  readonly policies?: Readonly<Record<string, PolicyDocument>>;
  /** The same for one service: that of the document. */
  readonly policy?: PolicyDocument;
  /** Whose the list of `instances` is. Default: that of `policy`, else `test`. */
  readonly service?: string;
  /** First is local. Default: `local`, then those that instances name, by name. */
  readonly datacenters?: readonly string[];
  /** Labels of every call. */
  readonly labels?: Readonly<Record<string, string>>;
  /** Seeds every choice that chance makes. Default 1. */
  readonly seed?: number;
  /** What the client's wall clock shows at first, which is what a policy's `until` is held against. Default 2026-01-01. */
  readonly startsAt?: Date;
}

/** What was decided of one call. */
export interface TestDecision {
  readonly service: string;
  readonly method: string;
  readonly by: DecidedBy;
  readonly route: string;
  readonly subset: string;
  readonly sticky: boolean;
}

/** {@link InjectedFailure} of one service's subset. */
export interface TestFailure extends InjectedFailure {
  /** Needed where several services have a subset of that name. */
  readonly service?: string;
}

/**
 * A Graylane client for tests: no Consul, nothing from the environment, time that stands still, every draw seeded, nothing
 * shared with another client. Connections and deadlines are grpc-js' own and real. May be handed to whatever takes a
 * `Graylane`.
 */
export interface TestClient extends Graylane {
  /** Those that `instances` and the policies name. */
  readonly services: readonly string[];
  /** Of every call made through the client so far, in order. */
  readonly decisions: readonly TestDecision[];
  /**
   * Lets attempts at a subset end with a status instead of reaching it, as if its instances answered so: breakers, retries and
   * failover see it. Gives what ends it early. Throws INVALID_OPTION.
   */
  fail(subset: string, failure?: TestFailure): EndFailure;
  /**
   * Moves the client's clock at once, running the timers that fall due. Resolves when the next pick knows of what followed,
   * such as the weights of a slow start.
   */
  advance(milliseconds: number): Promise<void>;
}

/** Opens a client for a test. `close()` it afterwards; it leaves no timers and no sockets. Throws as `createGraylane()` does. */
export function createTestClient(options: TestClientOptions = {}): TestClient {
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
          service: decision.plan.service,
          method: call.method,
          by: decision.by,
          route: decision.route,
          subset: decision.destination.subset,
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

/** TypeScript's own test for lists does not know those that are read only. */
function isList<T>(value: Readonly<Record<string, readonly T[]>> | readonly T[]): value is readonly T[] {
  return Array.isArray(value);
}

/** The service whose subset it is. */
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
  const subsetsOf = (name: string): string[] => Object.keys(policies.get(name)?.subsets ?? { [ALL_INSTANCES]: {} });
  const owners = asked.filter((name) => subsetsOf(name).includes(subset));
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
