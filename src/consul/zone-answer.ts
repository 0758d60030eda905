/** What the agent says of the zone that its node is in. */
export type AgentZone =
  | { readonly kind: 'zone'; readonly zone: string }
  /** It answered, and that will not change. */
  | { readonly kind: 'none'; readonly reason: string }
  /** It did not answer; it may later. */
  | { readonly kind: 'failure'; readonly reason: string };
