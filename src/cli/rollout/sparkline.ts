const BARS = '▁▂▃▄▅▆▇█';

/** One character a value, from the lowest of them to the highest; a flat line when they are all the same. */
export function sparkline(values: readonly number[]): string {
  const known = values.filter((value) => Number.isFinite(value));
  const low = Math.min(...known);
  const span = Math.max(...known) - low;
  const bar = (value: number): string => {
    if (!Number.isFinite(value)) return ' ';
    const height = span === 0 ? 0 : Math.round(((value - low) / span) * (BARS.length - 1));
    return BARS.charAt(height);
  };
  return values.map(bar).join('');
}
