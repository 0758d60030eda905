/**
 * Changes of metadata, by key. Each key once, whatever its case. At most 20 keys under `set`, `add` and `remove` each.
 * Not for keys of HTTP/2, gRPC or credentials, nor for binary ones (`-bin`).
 */
export interface HeaderChangesDocument {
  /** The only value from now on. Printable ASCII, at most 1,024 characters. */
  readonly set?: Readonly<Record<string, string>>;
  /** A value beside those that are there. Printable ASCII, at most 1,024 characters. */
  readonly add?: Readonly<Record<string, string>>;
  /** Keys that are taken out, with all their values. */
  readonly remove?: readonly string[];
}
