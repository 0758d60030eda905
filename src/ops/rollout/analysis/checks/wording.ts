const COUNT: Intl.NumberFormat = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });

/** `4,560` */
export function formatCount(count: number): string {
  return COUNT.format(count);
}

/** `5.00 %` */
export function formatPercent(share: number): string {
  return `${(100 * share).toFixed(2)} %`;
}

/** `1.25 ms`, `130 ms` */
export function formatMs(ms: number): string {
  if (!Number.isFinite(ms)) return 'beyond all buckets';
  return `${ms < 10 ? ms.toFixed(2) : ms.toFixed(0)} ms`;
}
