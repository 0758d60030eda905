/** One thing that was looked at. `info`: neither good nor bad, or it cannot be told. Only `problem` fails the command. */
export interface Finding {
  readonly check: string;
  readonly state: 'ok' | 'info' | 'warning' | 'problem';
  readonly finding: string;
  /** What to do about it. */
  readonly next?: string;
}
