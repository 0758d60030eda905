/** Faults whose names are told; the rest share one. A policy has at most 20, and one for each route. */
const MOST_NAMES = 200;
const OTHER = '_other';

/** What is counted of the faults of one service. Only grows; read at collection. */
export class FaultCounts {
  /** By name, then by `abort` or `delay`. */
  readonly hits: Map<string, Map<string, number>> = new Map();
  /** By name, then by what became of the call. */
  readonly calls: Map<string, Map<string, number>> = new Map();

  hit(name: string, kind: 'abort' | 'delay', count = 1): void {
    add(this.hits, name, kind, count);
  }

  callEnded(name: string, outcome: string, count = 1): void {
    add(this.calls, name, outcome, count);
  }

  take(other: FaultCounts): void {
    for (const own of ['hits', 'calls'] as const) {
      for (const [name, counts] of other[own]) for (const [what, count] of counts) add(this[own], name, what, count);
    }
  }
}

function add(to: Map<string, Map<string, number>>, name: string, what: string, count: number): void {
  const known = to.has(name) || to.size < MOST_NAMES ? name : OTHER;
  const counts = to.get(known) ?? new Map<string, number>();
  to.set(known, counts);
  counts.set(what, (counts.get(what) ?? 0) + count);
}
