import { ofKey } from '../../../base/of-key';
import { boundedSubset } from '../../../policy/lanes/lane-plan';
import type { AttemptListener } from '../../balancer/context';
import type { Outcome } from '../../breaker/outcome';
import type { PageHistory, SubsetTraffic, TrafficRow } from './page-view';

/** How long a step of the history is: `step()` is called so often. */
export const STEP_MS = 5_000;
const MOST_STEPS = 120;
/** Ways beyond so many are not counted: subsets, datacenters and tiers are few. */
const MOST_ROWS = 200;

interface Figures {
  attempts: number;
  failed: number;
  latencyMs: number;
}

interface Row extends Figures {
  readonly subset: string;
  readonly datacenter: string;
  readonly tier: number;
  /** As of the last step, and of the one before. */
  last: Figures;
  former: Figures;
}

const NONE: Figures = { attempts: 0, failed: 0, latencyMs: 0 };

/** Counts the attempts of one service by where they went. Finding a row allocates nothing once it is there. */
export class Traffic implements AttemptListener {
  readonly #byDatacenter = new Map<string, Map<string, Row[]>>();
  readonly #rows: Row[] = [];
  readonly #times: number[] = [];
  readonly #steps: ReadonlyMap<string, SubsetTraffic>[] = [];

  attemptEnded(_: string, served: string, outcome: Outcome, latencyMs: number, datacenter: string, tier: number): void {
    // Anybody may make up the names of lanes.
    const subset = boundedSubset(served);
    const row = this.#byDatacenter.get(datacenter)?.get(subset)?.[tier] ?? this.#add(subset, datacenter, tier);
    if (row === undefined) return;
    row.attempts += 1;
    if (isFailed(outcome)) row.failed += 1;
    row.latencyMs += latencyMs;
  }

  /** Ends a step of the history. */
  step(wallNowMs: number): void {
    this.#steps.push(sums(this.#rows, (row) => row.last));
    this.#times.push(wallNowMs);
    if (this.#steps.length > MOST_STEPS) {
      this.#steps.shift();
      this.#times.shift();
    }
    for (const row of this.#rows) {
      row.former = row.last;
      row.last = { attempts: row.attempts, failed: row.failed, latencyMs: row.latencyMs };
    }
  }

  rows(): readonly TrafficRow[] {
    return this.#rows.map((row) => {
      const recent = row.attempts - row.former.attempts;
      return {
        subset: row.subset,
        datacenter: row.datacenter,
        tier: row.tier,
        attempts: row.attempts,
        failed: row.failed,
        recent,
        recentFailed: row.failed - row.former.failed,
        recentMs: recent === 0 ? undefined : Math.round((10 * (row.latencyMs - row.former.latencyMs)) / recent) / 10,
      };
    });
  }

  /** Attempts of the last 5 to 10 seconds. */
  recent(): readonly SubsetTraffic[] {
    return [...sums(this.#rows, (row) => row.former).values()].filter(({ attempts }) => attempts > 0);
  }

  history(): PageHistory {
    const subsets = [...new Set(this.#steps.flatMap((step) => [...step.keys()]))];
    return {
      stepMs: STEP_MS,
      times: this.#times,
      subsets: subsets.map((subset) => ({
        subset,
        attempts: this.#steps.map((step) => step.get(subset)?.attempts ?? 0),
        failed: this.#steps.map((step) => step.get(subset)?.failed ?? 0),
      })),
    };
  }

  #add(subset: string, datacenter: string, tier: number): Row | undefined {
    if (this.#rows.length >= MOST_ROWS) return undefined;
    const row = { subset, datacenter, tier, ...NONE, last: NONE, former: NONE };
    const subsets = ofKey(this.#byDatacenter, datacenter, () => new Map<string, Row[]>());
    ofKey(subsets, subset, () => [])[tier] = row;
    this.#rows.push(row);
    return row;
  }
}

function isFailed(outcome: Outcome): boolean {
  return outcome === 'failure' || outcome === 'silent' || outcome === 'less';
}

/** By subset, what came since. */
function sums(rows: readonly Row[], since: (row: Row) => Figures): Map<string, SubsetTraffic> {
  const found = new Map<string, SubsetTraffic>();
  for (const row of rows) {
    const { attempts, failed } = since(row);
    const sum = found.get(row.subset) ?? { subset: row.subset, attempts: 0, failed: 0 };
    found.set(row.subset, {
      subset: row.subset,
      attempts: sum.attempts + row.attempts - attempts,
      failed: sum.failed + row.failed - failed,
    });
  }
  return found;
}
