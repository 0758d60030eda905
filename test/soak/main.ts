import { parseArgs } from 'node:util';
import { setup, teardown } from '../support/script-bundles';
import { measureChurn } from './churn';
import { runSoak, type SoakReport } from './soak';

/**
 * `npm run soak -- [--seconds 600] [--seed 1] [--calls 100]`: random, seeded faults of Consul, of instances and, for root on
 * Linux, of their network, under calls of all kinds; 10 minutes by default. `--churn [all]`: 10,000 instances that change all the time instead, with `subsetSize` 1,000 or without. Exits with
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
  // Each process of an instance is ended with this one.
  process.setMaxListeners(50);
  const callsPerSecond = number('calls', values.calls, 1, 1_000);
  if (values.churn) return churn(number('seconds', values.seconds ?? '120', 5, 3_600), callsPerSecond);
  const seconds = number('seconds', values.seconds ?? '600', 5, 86_400);
  const seed = number('seed', values.seed, 0, 2 ** 31);
  await setup({ config: { watch: false } });
  try {
    return tell(await runSoak({ seconds, seed, callsPerSecond }), seconds);
  } finally {
    teardown();
  }
}

/** A call lost in one spell of illness, of those that may not run again: docs/operations.md, row 12. */
const MOST_OF_ONE_SPELL = 5;

function tell(report: SoakReport, seconds: number): boolean {
  const { ledger, heapMb, handles } = report;
  console.table(
    report.faults.map(({ name, times, seconds: spent }) => ({ fault: name, times, seconds: round(spent) })),
  );
  for (const note of report.notes) console.log(`skipped or replaced: ${note}`);
  const settled = <T>(samples: readonly T[]): readonly T[] => samples.slice(Math.floor(samples.length / 3));
  const spread = (Math.max(...settled(heapMb)) / Math.min(...settled(heapMb)) - 1) * 100;
  console.table({
    'calls under faults of Consul': report.calls,
    'calls of all kinds under all faults': ledger.calls,
    'cancelled by their callers': ledger.cancelled,
    'took 0.9 s or more': ledger.late,
    lost: report.losses.count,
    'lost while this machine had no time for it': report.losses.ofMachine,
    'run twice': ledger.twice.length,
    'lost at an ill instance, may not run again': ledger.lostOfIll,
    'most of them in one spell': ledger.mostOfOneSpell,
    'clients opened and closed': report.clients,
    'left behind': report.leftBehind.join(', ') || 'nothing',
    'handles and timers': handles.join(' '),
    'heap, MB': heapMb.join(' '),
    'heap spread after a third, %': round(spread),
    'sockets to Consul, at most': report.mostSockets,
    'requests to Consul a second': round(report.requestsPerSecond),
    'all fresh after the last fault, s': round(report.freshAfterMs / 1000),
    'every watch alive': report.areWatchesAlive,
  });
  for (const loss of new Set(report.losses.texts)) console.log(loss);
  for (const id of ledger.twice) console.log(`run twice: ${id}`);
  // Less than a minute is too short for the heap to settle.
  const isHeapFlat = seconds < 60 || spread <= 10;
  const isWhole = report.losses.count === 0 && ledger.twice.length === 0 && report.leftBehind.length === 0;
  const isBounded = Number.parseInt(ledger.mostOfOneSpell, 10) <= MOST_OF_ONE_SPELL;
  return isWhole && isBounded && report.areWatchesAlive && isHeapFlat && report.mostSockets <= 20;
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
