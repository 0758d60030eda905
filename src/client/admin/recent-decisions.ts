import type { DecidedBy, Decision } from '../../policy/plan';

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

/** The last 200 decisions of a Graylane client; what they look like is made only when somebody asks. */
export class RecentDecisions {
  readonly #ring: { readonly atMs: number; readonly decision: Decision; readonly method: string; sticky: boolean }[] =
    [];
  #next = 0;

  add(atMs: number, decision: Decision, call: { readonly method: string; readonly sticky: boolean }): void {
    this.#ring[this.#next] = { atMs, decision, method: call.method, sticky: call.sticky };
    this.#next = (this.#next + 1) % MOST;
  }

  /** Newest first. */
  list(): readonly RecentDecision[] {
    const inOrder = [...this.#ring.slice(this.#next), ...this.#ring.slice(0, this.#next)];
    return inOrder.reverse().map(({ atMs, decision, method, sticky }) => ({
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
}
