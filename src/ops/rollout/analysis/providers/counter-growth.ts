import type { Sample } from './prometheus-api';

/**
 * How far each counter grew between two readings. Exact, unlike `increase()`, which extrapolates and never sees what a series had
 * counted when it was first scraped: the first failures of a canary are such a series. A counter that was not there counts from 0; one
 * that went back was restarted and counts from 0 too; one that is gone has nothing to say.
 */
export function growthOf(before: readonly Sample[], after: readonly Sample[]): readonly Sample[] {
  const known = new Map(before.map(({ labels, value }) => [keyOf(labels), value]));
  return after.map(({ labels, value }) => {
    const start = known.get(keyOf(labels)) ?? 0;
    return { labels, value: value >= start ? value - start : value };
  });
}

function keyOf(labels: Readonly<Record<string, string>>): string {
  return JSON.stringify(Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1)));
}
