import type { DecidedBy, Decision } from '../../policy/plan';
import type { PageDecision } from './page/page-view';

const MOST = 200;

/** One decision as `adminHandler()` lists it. No label values: those may be personal. */
export interface RecentDecision {
  /** ISO 8601. */
  readonly at: string;
  readonly service: string;
  readonly method: string;
  readonly by: DecidedBy;
  readonly route: string;
  readonly subset: string;
  readonly revision: string;
  readonly sticky: boolean;
}

interface KeptDecision {
  readonly atMs: number;
  readonly decision: Decision;
  readonly method: string;
  readonly sticky: boolean;
}

/** The last 200 decisions of a Graylane client; their plain form is made only for a request. */
export class RecentDecisions {
  readonly #ring: KeptDecision[] = [];
  #next = 0;
  #total = 0;

  /** How many there were, of which the last 200 are kept. */
  get total(): number {
    return this.#total;
  }

  add(
    atMs: number,
    decision: Decision,
    { method, sticky }: { readonly method: string; readonly sticky: boolean },
  ): void {
    this.#ring[this.#next] = { atMs, decision, method, sticky };
    this.#next = (this.#next + 1) % MOST;
    this.#total += 1;
  }

  /** Newest first. */
  list(): readonly RecentDecision[] {
    return [...this.#inOrder()].reverse().map(({ atMs, decision, method, sticky }) => ({
      at: new Date(atMs).toISOString(),
      service: decision.plan.service,
      method,
      by: decision.by,
      route: decision.route,
      subset: decision.destination.subset,
      revision: decision.plan.revision,
      sticky,
    }));
  }

  /** Those of one service that came after the first `total`, as far as they are kept; the oldest first. */
  since(total: number, service: string): readonly PageDecision[] {
    const kept = this.#inOrder();
    const first = this.#total - kept.length;
    return kept.slice(Math.max(0, total - first)).flatMap(({ atMs, decision, method, sticky }, index) => {
      if (decision.plan.service !== service) return [];
      const { by, route, destination, plan } = decision;
      const number = Math.max(total, first) + index;
      return { number, atMs, method, by, route, subset: destination.subset, revision: plan.revision, sticky };
    });
  }

  #inOrder(): readonly KeptDecision[] {
    return [...this.#ring.slice(this.#next), ...this.#ring.slice(0, this.#next)];
  }
}
