import type { DecidedBy } from '../../policy/plan';

/** What a policy did with many calls. Plain JSON; lists are in the policy's order. */
export interface SimulationReport {
  /** Consul service name. */
  readonly service: string;
  /** How many were decided. */
  readonly calls: number;
  /** Revision of the policy. */
  readonly revision: string;
  /** Shares by subset. */
  readonly subsets: readonly SimulatedShare[];
  /** Shares by route. */
  readonly routes: readonly SimulatedRoute[];
  /** Distinct values by which calls were sticky. */
  readonly stickyCallers: number;
  /** With a second policy: what would become of the same calls under it. */
  readonly against: SimulatedChange | undefined;
}

/** The part of a subset. */
export interface SimulatedShare {
  /** Name of the subset. */
  readonly subset: string;
  /** Calls that it got. */
  readonly calls: number;
  /** Of all calls here, 0..100. */
  readonly percent: number;
}

/** The part of a route, and how it was divided. */
export interface SimulatedRoute {
  /** `default`, `override` and `force` stand for themselves. */
  readonly route: string;
  /** What decided. */
  readonly by: DecidedBy;
  /** Calls that the route got. */
  readonly calls: number;
  /** Of all calls, 0..100. */
  readonly percent: number;
  /** `percent` is of this route's calls; `weighed` is what its split says. */
  readonly subsets: readonly (SimulatedShare & { readonly weighed: number | undefined })[];
}

/** What becomes of the same calls under another policy. */
export interface SimulatedChange {
  /** Revision of the other policy. */
  readonly revision: string;
  /** Shares by subset. */
  readonly subsets: readonly SimulatedShare[];
  /** Shares by route. */
  readonly routes: readonly SimulatedRoute[];
  /** Calls that go elsewhere, and the callers who are sticky among them. */
  readonly moved: { readonly calls: number; readonly percent: number; readonly stickyCallers: number };
  /** From where to where, most calls first. */
  readonly moves: readonly SimulatedMove[];
  /**
   * Sticky callers who left a subset whose share of their split did not shrink: nothing asked for their moving, so the split was
   * reshuffled (a renamed route, another base, another `stickBy`). 0 is healthy.
   */
  readonly stickyCallersLost: number;
}

/** Calls that go elsewhere. */
export interface SimulatedMove {
  /** Where they went. */
  readonly from: { readonly route: string; readonly subset: string };
  /** Where they go. */
  readonly to: { readonly route: string; readonly subset: string };
  /** How many. */
  readonly calls: number;
  /** How many callers who are sticky are among them. */
  readonly stickyCallers: number;
}
