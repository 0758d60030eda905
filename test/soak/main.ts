import { parseArgs } from 'node:util';
import { measureChurn } from './churn';
import { runSoak } from './soak';

/**
 * `npm run soak -- [--seconds 600] [--seed 1] [--calls 100]`: random, seeded faults of Consul under load, 10 minutes by
 * default. `--churn [all]`: 10,000 instances that change all the time instead, with `subsetSize` 1,000 or without. Exits with
 * 1 when something is not as it must be.
 */
const { values } = parseArgs({
  options: {
    seconds: { type: 'string' },
    seed: { type: 'string', default: '1' },
    calls: { type: 'string', default: '100' },
    churn: { type: 'boolean', default: false },
    all: { type: 'boolean', default: false },
  },
});

async function main(): Promise<boolean> {
  const callsPerSecond = number('calls', values.calls, 1, 1_000);
  if (values.churn) return churn(number('seconds', values.seconds ?? '120', 5, 3_600), callsPerSecond);
  const seconds = number('seconds', values.seconds ?? '600', 5, 86_400);
  const seed = number('seed', values.seed, 0, 2 ** 31);
  const report = await runSoak({ seconds, seed, callsPerSecond });
  console.table(
    report.faults.map(({ name, times, seconds: spent }) => ({ fault: name, times, seconds: round(spent) })),
  );
  const settled = report.heapMb.slice(Math.floor(report.heapMb.length / 3));
  const spread = (Math.max(...settled) / Math.min(...settled) - 1) * 100;
  console.table({
    calls: report.calls,
    lost: report.losses.length,
    'heap, MB': report.heapMb.join(' '),
    'heap spread after a third, %': round(spread),
    'sockets to Consul, at most': report.mostSockets,
    'requests to Consul a second': round(report.requestsPerSecond),
    'all fresh after the last fault, s': round(report.freshAfterMs / 1000),
    'every watch alive': report.areWatchesAlive,
  });
  for (const loss of new Set(report.losses)) console.log(loss);
  // Less than a minute is too short for the heap to settle.
  const isHeapFlat = seconds < 60 || spread <= 10;
  return report.losses.length === 0 && report.areWatchesAlive && isHeapFlat && report.mostSockets <= 20;
}

async function churn(seconds: number, callsPerSecond: number): Promise<boolean> {
  const subsetSize = values.all ? undefined : 1_000;
  const figures = await measureChurn({ count: 10_000, share: 0.1, steps: 10, seconds, subsetSize, callsPerSecond });
  console.table(
    Object.fromEntries(
      Object.entries(figures).map(([name, value]) => [name, typeof value === 'number' ? round(value) : String(value)]),
    ),
  );
  return figures.lost === 0 && (values.all || figures.delayP99Ms <= 100);
}

function number(name: string, text: string, least: number, most: number): number {
  const value = Number(text);
  if (Number.isFinite(value) && value >= least && value <= most) return value;
  console.error(`--${name}: ${text} (expected: ${least}..${most})`);
  process.exit(2);
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

void main().then((isWell) => {
  process.exitCode = isWell ? 0 : 1;
});
