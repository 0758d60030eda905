import type { Explanation } from '../../client/admin/explain';
import type { Difference } from '../../ops/compare/differences';
import type { MovedCallers } from '../../ops/compare/moved-callers';
import type { CallerStep } from '../../ops/console/caller-timeline';
import type { TimelineEntry } from '../../ops/console/timeline';
import type { AnalysisResult } from '../../ops/rollout/analysis/verdict';
import type { RolloutStep } from '../../ops/rollout/document';
import type { RolloutState } from '../../ops/rollout/progress';
import type { RolloutRecord } from '../../ops/rollout/record';
import type { OverrideDocument, PolicyDocument } from '../../policy/document';
import type { PolicyProblem } from '../../policy/plan';

/** Answers of the API, as far as the pages read them. */

export interface InstancesTold {
  readonly revision: string;
  readonly datacenters: readonly {
    readonly datacenter: string;
    readonly freshness: string;
    readonly instances: number;
    readonly faults: readonly string[];
  }[];
  readonly instances: readonly ListedInstance[];
}

export interface ListedInstance {
  readonly datacenter: string;
  readonly subsets: readonly string[];
  readonly heldOut: Readonly<Record<string, string>>;
  readonly instance: string;
  readonly endpoint: string;
  readonly zone?: string;
  readonly health: 'passing' | 'warning' | 'critical';
  readonly weight: number;
  readonly isNodeFailed: boolean;
  readonly ageMs?: number;
}

export interface PolicyTold {
  readonly diverging: boolean;
  readonly datacenters: readonly PolicyRow[];
}

/** Names of the subsets, in the order of the policy. */
export function subsetsOf(told: PolicyTold | undefined): readonly string[] {
  const document = told?.datacenters[0]?.document;
  return typeof document === 'object' ? Object.keys(document.subsets ?? {}) : [];
}

export interface PolicyRow {
  readonly datacenter: string;
  readonly revision?: string;
  readonly number?: number;
  readonly time?: string;
  readonly author?: string;
  readonly failure?: string;
  readonly document?: PolicyDocument | string;
  readonly yaml?: string;
  readonly problems?: readonly PolicyProblem[];
}

/** What a change would do in one datacenter, or what it did. */
export interface Change {
  readonly datacenter: string;
  readonly from: string | null;
  readonly to: string;
  readonly differences: readonly Difference[];
  readonly movedCallers: readonly MovedCallers[];
  readonly refusals?: readonly string[];
  readonly remarks: readonly string[];
  readonly outcome: string;
}

export interface PolicyCheck {
  readonly isValid: boolean;
  readonly problems: readonly PolicyProblem[];
  readonly warnings: readonly PolicyProblem[];
  readonly changes: readonly Change[];
}

export type HistoryTold = readonly { readonly datacenter: string; readonly entries: readonly TimelineEntry[] }[];

export type ExplanationTold = Explanation & { readonly canServe: boolean };

export type CallHistoryTold = readonly { readonly datacenter: string; readonly steps: readonly CallerStep[] }[];

export interface ListedOverride {
  readonly service: string;
  readonly datacenter: string;
  readonly inForce: boolean;
  readonly remainingMs: number;
  readonly override: OverrideDocument;
}

export interface ListedDrill {
  readonly service: string;
  readonly datacenter: string;
  readonly name: string;
  readonly inForce: boolean;
  readonly remainingMs: number;
  readonly fault: {
    readonly abort?: string;
    readonly delayMs?: number;
    readonly percent: number;
    readonly in?: string;
    readonly until: string;
    readonly by?: string;
    readonly reason?: string;
    readonly stopAbove?: { readonly failedPercentage: number };
  };
}

export interface ListedLane {
  readonly lane: string;
  readonly by: readonly string[];
  readonly services: readonly { readonly service: string; readonly instances: number; readonly usable: number }[];
  readonly fallback: readonly { readonly service: string; readonly to: string }[];
  readonly ends?: string;
  readonly endedIn: readonly string[];
}

export interface RolloutTold {
  readonly status: RolloutStatus;
  readonly history: {
    readonly transitions: RolloutRecord['transitions'];
    readonly past: RolloutRecord['past'];
  } | null;
}

export interface RolloutStatus {
  readonly id: string;
  readonly startedBy: string;
  readonly startedAt: string;
  readonly state: RolloutState;
  readonly step: number;
  readonly steps: readonly RolloutStep[];
  readonly weight: number;
  readonly hasEnded: boolean;
  readonly waitingFor?: string;
  readonly controller: string | null;
  readonly results: readonly AnalysisResult[];
}

export interface RolloutCheck {
  readonly isValid: boolean;
  readonly problems: readonly PolicyProblem[];
  readonly steps?: readonly RolloutStep[];
  /** Why it cannot be started. */
  readonly refusal: string | null;
  /** Why it should not be. */
  readonly missing: string | null;
}

export interface FleetTold {
  readonly following: number;
  readonly behind: number;
  readonly processes: readonly {
    readonly process: string;
    readonly client?: string;
    readonly datacenter?: string;
    readonly number?: number;
    readonly revision: string;
    readonly state: 'follows' | 'own' | 'behind';
    readonly reason?: string;
    readonly why?: string;
    readonly ageMs: number;
  }[];
  readonly failures: readonly string[];
}
