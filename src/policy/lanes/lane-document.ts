/** How the lane of a call is found, and the instances of a lane: one dimension of lanes. */
export interface LaneDocument<S extends string = string> {
  /** Label whose value names the lane of a call. */
  readonly by: string;
  /**
   * Key of the instances' meta whose value names their lane; the tag `META=VALUE` says the same. An instance with one
   * belongs to its lane alone, and to subsets that say `lanes: include`. Default `lane`.
   */
  readonly meta?: string;
  /**
   * Subset for calls whose lane has no instance of this service, and for those whose lane cannot serve. Default: calls
   * without an instance go by the routes, as calls without a lane do; a lane that cannot serve falls back to `default`.
   */
  readonly fallback?: S;
  /** True: such calls fail, and say which lanes there are. Default false. */
  readonly strict?: boolean;
  /**
   * Lanes that end by themselves, RFC 3339 by lane, at most 1,000. From then on the value is no lane any more: its calls
   * go as calls without a lane, and its instances get none.
   */
  readonly ends?: Readonly<Record<string, string>>;
}
