/**
 * What one pick costs beside grpc-js' own pickers, in one run.
 *
 *     node --expose-gc --import tsx benchmarks/pick.ts [--short] [--json]
 *
 * `--short` takes a few seconds and is meant for guards in CI; `--json` prints one JSON object instead of tables.
 */
import { parseArgs } from 'node:util';
import { decisionCases } from './decision';
import { type MeasureOptions, measure } from './harness';
import { pickCases } from './pick-cases';
import { describeMachine, formatReport } from './report';

const { values } = parseArgs({ options: { short: { type: 'boolean' }, json: { type: 'boolean' } } });
const options: MeasureOptions = values.short === true ? { rounds: 15, batchMs: 2 } : { rounds: 41, batchMs: 10 };
const machine = describeMachine();
const measurements = measure([...pickCases([10, 1_000, 10_000]), ...decisionCases()], options);

if (values.json === true) console.log(JSON.stringify({ machine, ...options, measurements }));
else console.log(formatReport(machine, options.rounds, measurements));
