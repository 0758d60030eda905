/** Bytes of a document's text, and of the same document written as compact JSON. */
export const MAX_DOCUMENT_BYTES: number = 256 * 1024;

/** Objects and lists inside one another; the document itself is the first. */
export const MAX_DEPTH: number = 16;

/** Of any key, and so of any name that is a key: a subset's, a label's. */
export const MAX_KEY_CHARACTERS: number = 256;

/** Problems of one document that are told; of the rest, how many there are. */
export const MAX_PROBLEMS: number = 50;

export const MAX_SUBSETS: number = 1_000;

export const MAX_ROUTES: number = 1_000;

/** Entries of one split. */
export const MAX_SPLIT_ENTRIES: number = 100;

/** Of one call, its first try included; grpc-js makes no more, either: gRFC A6. */
export const MAX_ATTEMPTS: number = 5;

/** Zones of one datacenter. */
export const MAX_ZONES: number = 100;

/** Lists of values that one policy may name. */
export const MAX_LISTS: number = 20;

/** Keys under `set`, `add` and `remove` each. */
export const MAX_HEADER_CHANGES: number = 20;

export const MAX_HEADER_VALUE_CHARACTERS: number = 1_024;

/** Of the policy itself; each route may have one besides. */
export const MAX_FAULTS: number = 20;

export const MAX_FAULT_DELAY_MS: number = 600_000;

export const MAX_REGEX_CHARACTERS: number = 256;

/** Instructions that one regular expression may compile to; a counted repetition multiplies them. */
export const MAX_REGEX_INSTRUCTIONS: number = 500;

export const MAX_VERSION_RANGE_CHARACTERS: number = 256;

/** Longer label values match no regular expression. */
export const MAX_REGEX_VALUE_CHARACTERS: number = 1_024;

export const MAX_LANE_DIMENSIONS: number = 4;

/** Lanes of one dimension that a policy ends. */
export const MAX_LANE_ENDS: number = 1_000;
