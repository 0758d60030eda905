/** Asks a gate of the controller's configuration at a moment of the rollout. */
export interface GateDocument {
  /** The name of a gate in the controller's configuration, which alone says what is asked, and where. */
  readonly gate: string;
  /**
   * `before-step`: the step waits until the gate is open. `before-promotion`: the end waits, after the last step.
   * `at-rollback`: the gate is told once that the canary was taken back, and holds nothing.
   */
  readonly when: 'before-step' | 'before-promotion' | 'at-rollback';
  /** Of `before-step`: which steps, counted from 1. Default: every `setWeight`. */
  readonly steps?: readonly number[];
}

/** Waits for `graylane rollout approve`. */
export interface ApprovalDocument {
  /** What is to be looked at; shown to the person who approves. 1 to 200 characters. */
  readonly note?: string;
}

/**
 * No step begins, and the rollout does not end, outside of `hours` or within a `freeze`. Measurements go on, and a
 * rollback waits for nothing.
 */
export interface ScheduleDocument {
  /** IANA name, such as `Asia/Shanghai`. Default `UTC`. Of `hours`. */
  readonly timeZone?: string;
  /** Default: always. */
  readonly hours?: readonly HoursDocument[];
  readonly freeze?: readonly FreezeDocument[];
}

export type Weekday = 'mon' | 'tue' | 'wed' | 'thu' | 'fri' | 'sat' | 'sun';

export interface HoursDocument {
  /** Default: every day. */
  readonly days?: readonly Weekday[];
  /** `HH:MM`, 00:00 to 23:59. */
  readonly from: string;
  /** `HH:MM`, later than `from`; `24:00` is midnight. Exclusive. */
  readonly until: string;
}

export interface FreezeDocument {
  /** RFC 3339. */
  readonly from: string;
  /** RFC 3339, later than `from`. Exclusive. */
  readonly until: string;
  /** 1 to 200 characters. */
  readonly reason?: string;
}
