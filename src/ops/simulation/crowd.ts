import { systemClock } from '../../base/clock';
import { seededRandom } from '../../base/random';
import type { LaneLookup } from '../../policy/lanes/lane-lookup';
import { destinationName } from '../../policy/places/destination';
import type { Plan } from '../../policy/plan';
import type { RoutingEnvironment, RoutingOutcome } from '../../policy/routing/call';
import { decide } from '../../policy/routing/decide';
import { labelsOf } from '../../policy/routing/labels';

/** A call that many users make, each with a value of their own under the label that names users. */
export interface CrowdCall {
  /** `/package.Service/Method`. */
  readonly method: string;
  /** Labels that all of them carry. */
  readonly labels: Readonly<Record<string, string>>;
  /** Label that names users. Default: {@link userLabelOf} the plan. */
  readonly userLabel?: string | undefined;
}

/** Where each user goes. */
export interface Crowd {
  /** Subsets of the plan in its order, then other places that calls went to. */
  readonly destinations: readonly string[];
  /** Of each user the index in `destinations`. */
  readonly at: Uint16Array;
  /** Users of each destination. */
  readonly counts: readonly number[];
}

/** As many as splits have buckets, so that one user stands for 0.01 %. */
export const CROWD_SIZE = 10_000;

/** The first label that a split or a sample of the plan goes by; undefined: every split goes by chance. */
export function userLabelOf({ routes }: Plan): string | undefined {
  return stickyLabels(routes)[0];
}

/**
 * Where each of 10,000 users goes, by the code that decides real calls. Users are named as `compare` names its callers,
 * so that both count the same. Where a split goes by chance, a user draws the same number under every plan. Pure but for
 * the wall clock, which ends overrides.
 */
export function crowdUnder(plan: Plan, call: CrowdCall, lanes?: LaneLookup): Crowd {
  const userLabel = (call.userLabel ?? userLabelOf(plan))?.toLowerCase();
  const others = stickyLabels(plan.routes).filter((key) => key !== userLabel);
  const fixed = labelsOf(call.labels);
  let user = '';
  const labels = {
    get(key: string): string | undefined {
      if (key === userLabel) return user;
      // Another label of the same user, which is independent of the first.
      return others.includes(key) ? `other ${user}` : fixed.get(key);
    },
  };
  const random = seededRandom(1);
  let draw = 0;
  const env: RoutingEnvironment = { clock: systemClock, random: () => draw, lanes };
  const outcome: RoutingOutcome = { sticky: false, bucket: -1, hash: -1 };
  const destinations = [...plan.subsets.keys()];
  const counts = destinations.map(() => 0);
  const at = new Uint16Array(CROWD_SIZE);
  const input = { method: call.method, labels, force: undefined, stickyKey: undefined };
  for (let index = 0; index < CROWD_SIZE; index += 1) {
    user = userName(index);
    draw = random();
    const name = destinationName(decide(plan, input, outcome, env).destination);
    let place = destinations.indexOf(name);
    if (place === -1) place = destinations.push(name) - 1;
    counts[place] = (counts[place] ?? 0) + 1;
    at[index] = place;
  }
  return { destinations, at, counts };
}

/** Users who go to another place in `after` than in `before`, by their index. */
export function movedUsers(before: Crowd, after: Crowd): readonly number[] {
  const moved: number[] = [];
  for (let index = 0; index < CROWD_SIZE; index += 1) {
    const from = before.destinations[before.at[index] ?? 0];
    if (from !== after.destinations[after.at[index] ?? 0]) moved.push(index);
  }
  return moved;
}

/** The value under the user label of the user with this index. */
export function userName(index: number): string {
  return `caller-${index}`;
}

function stickyLabels(routes: Plan['routes']): readonly string[] {
  const keys = routes.flatMap(({ match, split }) => [match?.sample?.by, split.stickBy]);
  return [...new Set(keys.filter((key) => key !== undefined))];
}
