import type { CandidateReport } from '../../base/candidate-report';

/** What a client finds out about one candidate, for its reports. */
export interface CandidateCount {
  /** What is reported now; `reported()` follows when the report was taken. */
  report(): Pick<CandidateReport, 'state' | 'reason' | 'trial' | 'gradual'>;
  /** The last report was taken. */
  reported(): void;
  /** Something is left for another report although nothing more is counted. */
  readonly isUnfinished: boolean;
  /** Counts no more; what was counted can still be reported. Idempotent. */
  stop(): void;
}
