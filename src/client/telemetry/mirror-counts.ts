export type MirrorCounter = 'mirrorCopies' | 'mirrorDropped' | 'mirrorCompared' | 'mirrorDifferences';

type MirrorLabels = Readonly<Record<string, string>>;

interface MirrorRow {
  readonly counter: MirrorCounter;
  readonly labels: MirrorLabels;
  count: number;
}

/** Routes, their statuses and their flagged fields; what comes beyond is not counted. */
const MOST_ROWS = 5_000;

/** What is counted of the copies of a service's calls, by labels. Only grows; read at collection. */
export class MirrorCounts {
  readonly #rows = new Map<string, MirrorRow>();

  get rows(): Iterable<MirrorRow> {
    return this.#rows.values();
  }

  add(counter: MirrorCounter, labels: MirrorLabels, count = 1): void {
    const key = `${counter} ${JSON.stringify(labels)}`;
    const row = this.#rows.get(key);
    if (row !== undefined) row.count += count;
    else if (this.#rows.size < MOST_ROWS) this.#rows.set(key, { counter, labels, count });
  }

  take(other: MirrorCounts): void {
    for (const { counter, labels, count } of other.rows) this.add(counter, labels, count);
  }
}
