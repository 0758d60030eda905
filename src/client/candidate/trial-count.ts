import type { Candidate } from '../../base/candidate';
import {
  type CandidateReport,
  encodeCallers,
  type FlowEnd,
  type GrownRegister,
  MAX_FLOW_NAME,
  MAX_FLOWS,
  MAX_REGISTERS_A_REPORT,
  MAX_SKETCHES,
  type ReportedFlow,
} from '../../base/candidate-report';
import type { Clock } from '../../base/clock';
import { defined } from '../../base/defined';
import { DistinctCount, REGISTERS, rankOf, registerOf } from '../../base/distinct-count';
import { BUCKETS, seedOf } from '../../base/hash';
import type { Random } from '../../base/random';
import { shortenMiddle } from '../../base/shorten';
import { type Membership, membershipOf } from '../../policy/membership/membership';
import { decidingPlan, type Snapshot } from '../../policy/membership/snapshot';
import { takersOf, usedTiers } from '../../policy/membership/tiers';
import type { Decision, Plan } from '../../policy/plan';
import type { Labels, RoutingEnvironment, RoutingInput, RoutingOutcome } from '../../policy/routing/call';
import { decide } from '../../policy/routing/decide';
import type { CandidateCount } from './candidate-count';
import type { TrialSnapshot } from './trial-state';

/** The call that is decided again, and how its first decision was drawn. */
export type DecidedCall = RoutingInput & Pick<RoutingOutcome, 'sticky' | 'bucket'>;

/** Where a trial looks; both are asked at each call. */
export interface TrialSides {
  /** What decides calls now. */
  readonly snapshot: Snapshot | undefined;
  /** What would; undefined: not known (yet). */
  readonly trial: TrialSnapshot | undefined;
  /** Why there is none. */
  why(): Pick<CandidateReport, 'state' | 'reason'>;
}

class Flow {
  readonly from: FlowEnd;
  readonly to: FlowEnd;
  readonly isMoved: boolean;
  /** Number of the sketch that counts its callers. */
  readonly sketch: number | undefined;
  calls = 0;
  nobodyNow = 0;
  nobody = 0;

  constructor(from: FlowEnd, to: FlowEnd, isMoved: boolean, sketch: number | undefined) {
    this.from = from;
    this.to = to;
    this.isMoved = isMoved;
    this.sketch = sketch;
  }
}

/**
 * A call as it is decided again. Remembers the caller's label that the decision reads anyhow, since grpc-js takes its time
 * to find one. One object for all calls.
 */
class CallAgain implements RoutingInput, Labels {
  method = '';
  force: RoutingInput['force'];
  stickyKey: string | undefined;
  /** Labels that tell sticky callers apart, in order. */
  callerKeys: readonly string[] = [];
  readonly labels: Labels = this;
  #labels: Labels | undefined;
  /** Of `callerKeys`; null: not read yet. */
  readonly #values: (string | undefined | null)[] = [];

  of({ method, force, stickyKey, labels }: DecidedCall): this {
    this.method = method;
    this.force = force;
    this.stickyKey = stickyKey;
    this.#labels = labels;
    for (let at = 0; at < this.callerKeys.length; at += 1) this.#values[at] = null;
    return this;
  }

  get(key: string): string | undefined {
    const at = this.callerKeys.indexOf(key);
    const known = at === -1 ? null : this.#values[at];
    if (known !== null) return known;
    const value = this.#labels?.get(key);
    if (at !== -1) this.#values[at] = value;
    return value;
  }

  get caller(): string | undefined {
    if (this.stickyKey !== undefined) return this.stickyKey;
    for (let at = 0; at < this.callerKeys.length; at += 1) {
      const value = this.get(this.callerKeys[at] ?? '');
      if (value !== undefined) return value;
    }
    return undefined;
  }
}

/** What two decisions mean while plans and instances are the same. */
interface Meeting {
  readonly now: Decision;
  readonly then: Decision;
  readonly flow: Flow;
  readonly isNobodyNow: boolean;
  readonly isNobody: boolean;
}

/** More decisions than this are forgotten and looked up again: lanes have some of their own, and a forced call too. */
const MOST_MEETINGS = 2_000;
const OTHERS: FlowEnd = { route: '(others)', destination: '(others)' };

/**
 * Decides each call of a service a second time, under a policy on trial, and counts what would become of it. The call
 * itself is not changed. A call that was drawn by chance is decided under the same draw, so that only what the policy
 * changes counts as moved. Sticky callers are counted by sketches over a keyed hash: no label is kept.
 */
export class TrialCount implements CandidateCount {
  readonly #sides: TrialSides;
  readonly #environment: { random: Random; clock: Clock; lanes: RoutingEnvironment['lanes'] };
  readonly #again = new CallAgain();
  readonly #outcome: RoutingOutcome = { sticky: false, bucket: -1, hash: -1 };
  readonly #random: Random;
  readonly #seed: number;
  readonly #flows = new Map<string, Flow>();
  readonly #sketches: DistinctCount[] = [new DistinctCount(), new DistinctCount()];
  /** What was reported of each sketch. */
  readonly #taken: Uint8Array[] = [];
  #meetings = new Map<Decision, Map<Decision, Meeting>>();
  #met = 0;
  /** Most calls are as the one before. */
  #last: Meeting | undefined;
  #snapshot: Snapshot | undefined;
  #trial: TrialSnapshot | undefined;
  #now: Membership | undefined;
  #drawn = 0;
  #sent: readonly GrownRegister[] = [];
  readonly #stop: () => void;
  /** What could be said when the counting stopped. */
  #ended: Pick<CandidateReport, 'state' | 'reason'> | undefined;

  /** `observe`: subscribes to the decisions of the service's Graylane client. `random`: a chance of its own. */
  constructor(
    { key }: Pick<Candidate, 'key'>,
    sides: TrialSides,
    observe: (observer: (decision: Decision, call: DecidedCall) => void) => () => void,
    { clock, random }: { readonly clock: Clock; readonly random: Random },
  ) {
    this.#sides = sides;
    this.#seed = seedOf(key, 'callers');
    this.#random = random;
    this.#environment = { clock, lanes: undefined, random: () => this.#drawn };
    this.#stop = observe((decision, call) => this.decided(decision, call));
  }

  /** Of each call of the client; allocates nothing once both decisions have met. */
  decided(now: Decision, call: DecidedCall): void {
    const { snapshot, trial } = this.#sides;
    if (snapshot === undefined || now.plan !== decidingPlan(snapshot) || trial === undefined) return;
    if (trial !== this.#trial || snapshot !== this.#snapshot) this.#follow(snapshot, trial);
    this.#drawn = call.bucket >= 0 && !call.sticky ? (call.bucket + 0.5) / BUCKETS : this.#random();
    const again = this.#again.of(call);
    const then = decide(trial.plan, again, this.#outcome, this.#environment);
    const last = this.#last;
    const { flow, isNobodyNow, isNobody } =
      last?.now === now && last.then === then ? last : this.#meetingOf(now, then, trial);
    flow.calls += 1;
    if (isNobodyNow) flow.nobodyNow += 1;
    if (isNobody) flow.nobody += 1;
    const { caller } = again;
    if (caller !== undefined) this.#countCaller(caller, flow);
  }

  report(): Pick<CandidateReport, 'state' | 'reason' | 'trial'> {
    const flows = [...this.#flows.values()].map(
      ({ from, to, isMoved, sketch, calls, nobodyNow, nobody }): ReportedFlow => {
        return { from, to, isMoved, calls, nobodyNow, nobody, ...defined({ sketch }) };
      },
    );
    this.#sent = this.#grown();
    return { ...(this.#ended ?? this.#state()), trial: { flows, callers: encodeCallers(this.#sent) } };
  }

  reported(): void {
    for (const { sketch, register, rank } of this.#sent) this.#takenOf(sketch)[register] = rank;
    this.#sent = [];
  }

  get isUnfinished(): boolean {
    return this.#grown().length > 0;
  }

  stop(): void {
    this.#stop();
    this.#ended ??= this.#state();
  }

  #state(): Pick<CandidateReport, 'state' | 'reason'> {
    return this.#sides.trial === undefined ? this.#sides.why() : { state: 'counting' };
  }

  #follow(snapshot: Snapshot, trial: TrialSnapshot): void {
    this.#snapshot = snapshot;
    this.#trial = trial;
    this.#now = membershipOf(decidingPlan(snapshot), snapshot.instances);
    this.#environment.lanes = trial.membership.lanes;
    this.#again.callerKeys = callerKeysOf([decidingPlan(snapshot), trial.plan]);
    this.#forget();
  }

  #forget(): void {
    this.#meetings = new Map();
    this.#met = 0;
    this.#last = undefined;
  }

  #meetingOf(now: Decision, then: Decision, trial: TrialSnapshot): Meeting {
    const meeting = this.#meetings.get(now)?.get(then) ?? this.#meet(now, then, trial);
    this.#last = meeting;
    return meeting;
  }

  #meet(now: Decision, then: Decision, trial: TrialSnapshot): Meeting {
    if (this.#met >= MOST_MEETINGS) this.#forget();
    this.#met += 1;
    const meeting = {
      now,
      then,
      flow: this.#flowOf(now, then),
      isNobodyNow: this.#now !== undefined && findsNobody(now, this.#now),
      isNobody: findsNobody(then, trial.membership),
    };
    const met = this.#meetings.get(now) ?? new Map<Decision, Meeting>();
    this.#meetings.set(now, met.set(then, meeting));
    return meeting;
  }

  #flowOf(now: Decision, then: Decision): Flow {
    const isMoved = placeOf(now) !== placeOf(then);
    const [from, to] = [endOf(now), endOf(then)];
    const name = JSON.stringify([from, to, isMoved]);
    const known = this.#flows.get(name);
    if (known !== undefined) return known;
    if (this.#flows.size >= MAX_FLOWS - 2) return this.#add(JSON.stringify([OTHERS, isMoved]), OTHERS, OTHERS, isMoved);
    return this.#add(name, from, to, isMoved);
  }

  #add(name: string, from: FlowEnd, to: FlowEnd, isMoved: boolean): Flow {
    const known = this.#flows.get(name);
    if (known !== undefined) return known;
    const hasSketch = isMoved && this.#sketches.length < MAX_SKETCHES;
    const sketch = hasSketch ? this.#sketches.push(new DistinctCount()) - 1 : undefined;
    const flow = new Flow(from, to, isMoved, sketch);
    this.#flows.set(name, flow);
    return flow;
  }

  #countCaller(caller: string, { isMoved, sketch }: Flow): void {
    const register = registerOf(caller, this.#seed);
    const rank = rankOf(caller, this.#seed);
    this.#sketches[0]?.add(register, rank);
    if (!isMoved) return;
    this.#sketches[1]?.add(register, rank);
    if (sketch !== undefined) this.#sketches[sketch]?.add(register, rank);
  }

  #grown(): readonly GrownRegister[] {
    const grown: GrownRegister[] = [];
    for (const [sketch, { registers }] of this.#sketches.entries()) {
      const taken = this.#takenOf(sketch);
      for (let register = 0; register < registers.length; register += 1) {
        const rank = registers[register] ?? 0;
        if (rank === taken[register]) continue;
        if (grown.length >= MAX_REGISTERS_A_REPORT) return grown;
        grown.push({ sketch, register, rank });
      }
    }
    return grown;
  }

  #takenOf(sketch: number): Uint8Array {
    const taken = this.#taken[sketch] ?? new Uint8Array(REGISTERS);
    this.#taken[sketch] = taken;
    return taken;
  }
}

/** In the order of routes, those of the plan in force first. */
function callerKeysOf(plans: readonly Plan[]): readonly string[] {
  const keys = plans.flatMap(({ routes }) => routes.flatMap(({ split, match }) => [split.stickBy, match?.sample?.by]));
  return [...new Set(keys)].filter((key) => key !== undefined);
}

function findsNobody({ plan, destination, datacenters, force }: Decision, membership: Membership): boolean {
  const tiers = usedTiers(plan, { ...destination, datacenters, force }, membership);
  return tiers.every((tier) => takersOf(membership, tier).length === 0);
}

/** Two decisions with the same text send a call to the same instances first. */
function placeOf({ destination, datacenters, force }: Decision): string {
  const { subset, places, tiers } = destination;
  return JSON.stringify([subset, places?.[0], tiers?.[0], datacenters, force]);
}

/** Names as the policy has them. The name of a lane is the value of a label, and left out, as what a call forces is. */
function endOf({ route, destination, datacenters, lane, force }: Decision): FlowEnd {
  const place = datacenters?.join(',') ?? destination.places?.[0]?.join(',');
  const name = lane !== undefined ? '(a lane)' : destination.index < 0 ? '(unknown)' : destination.subset;
  const at = place === undefined || place === '' || force !== undefined ? '' : ` at ${place}`;
  return { route: shortenMiddle(route, MAX_FLOW_NAME), destination: shortenMiddle(`${name}${at}`, MAX_FLOW_NAME) };
}
