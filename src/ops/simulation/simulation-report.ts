import type { DecidedBy } from '../../policy/plan';

/** What a policy did with many calls. Plain JSON; lists are in the policy's order. */
export interface SimulationReport {
  readonly service: string;
  readonly calls: number;
  readonly revision: string;
  readonly subsets: readonly SimulatedShare[];
  readonly routes: readonly SimulatedRoute[];
  /** Distinct values by which calls were sticky. */
  readonly stickyCallers: number;
  /** With a second policy: what would become of the same calls under it. */
  readonly against: SimulatedChange | undefined;
}

export interface SimulatedShare {
  readonly subset: string;
  readonly calls: number;
  /** Of all calls here, 0..100. */
  readonly percent: number;
}

export interface SimulatedRoute {
  /** `default`, `override` and `force` stand for themselves. */
  readonly route: string;
  readonly by: DecidedBy;
  readonly calls: number;
  readonly percent: number;
  /** `percent` is of this route's calls; `weighed` is what its split says. */
  readonly subsets: readonly (SimulatedShare & { readonly weighed: number | undefined })[];
}

export interface SimulatedChange {
  readonly revision: string;
  readonly subsets: readonly SimulatedShare[];
  readonly routes: readonly SimulatedRoute[];
  readonly moved: { readonly calls: number; readonly percent: number; readonly stickyCallers: number };
  /** From where to where, most calls first. */
  readonly moves: readonly SimulatedMove[];
  /**
   * Sticky callers who left a subset whose share of their split did not shrink: nothing asked for their moving, so the split was
   * reshuffled (a renamed route, another base, another `stickBy`). 0 is healthy.
   */
  readonly stickyCallersLost: number;
}

export interface SimulatedMove {
  readonly from: { readonly route: string; readonly subset: string };
  readonly to: { readonly route: string; readonly subset: string };
  readonly calls: number;
  readonly stickyCallers: number;
}
