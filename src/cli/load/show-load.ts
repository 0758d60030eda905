import type { CommandIo } from '../io';
import { REDRAW } from '../live-screen';
import type { Row, Tally } from './tally';

export interface Progress {
  readonly elapsedMs: number;
  /** Due while the most calls at once were under way. */
  readonly leftOut: number;
  readonly inFlight: number;
  /** In place of what was drawn before. */
  readonly isLive: boolean;
}

export async function showLoad(
  tally: Tally,
  { elapsedMs, leftOut, inFlight, isLive }: Progress,
  io: CommandIo,
): Promise<void> {
  const { calls, failed, retried, fellBack, p50Ms, p95Ms, p99Ms } = tally.totals;
  const { colors } = io;
  if (isLive) io.write(REDRAW);
  const rate = elapsedMs > 0 ? (calls / elapsedMs) * 1000 : 0;
  const parts = [
    `${colors.bold(String(calls))} calls in ${(elapsedMs / 1000).toFixed(1)} s (${rate.toFixed(1)} a second)`,
    failed === 0 ? colors.green('none failed') : colors.red(`${failed} failed`),
    ...(retried > 0 ? [`${retried} made again`] : []),
    ...(fellBack > 0 ? [`${fellBack} served by a fallback`] : []),
    ...(inFlight > 0 ? [`${inFlight} under way`] : []),
  ];
  io.line(parts.join(', '));
  io.line(`p50 ${ms(p50Ms)}, p95 ${ms(p95Ms)}, p99 ${ms(p99Ms)}`);
  await io.table(
    ['subset', 'version', 'instance', 'datacenter', 'calls', 'share', 'p50', 'p95', 'p99', 'codes'],
    tally.rows.map((row) => [
      row.subset === '' ? '(nobody)' : row.subset,
      row.version,
      row.instance,
      row.datacenter,
      String(row.calls),
      `${row.share.toFixed(1)} %`,
      ms(row.p50Ms),
      ms(row.p95Ms),
      ms(row.p99Ms),
      codesOf(row),
    ]),
  );
  if (leftOut > 0) io.note(`${leftOut} calls were due and left out: --concurrency calls were under way`);
}

function codesOf({ codes }: Row): string {
  return Object.entries(codes)
    .sort(([, a], [, b]) => b - a)
    .map(([name, count]) => `${name} ${count}`)
    .join(', ');
}

function ms(value: number): string {
  return `${value.toFixed(value < 10 ? 1 : 0)} ms`;
}
