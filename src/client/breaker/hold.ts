/** What keeps a subset's breakers open whatever they have seen themselves. */
export interface Hold {
  /** Shown as what opened them. */
  readonly because: string;
  /** Milliseconds until it lets go. */
  dueInMs(nowMs: number): number;
}
