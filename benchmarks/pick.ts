/**
 * What a pick, a decision and a call's whole way to its endpoint cost, beside grpc-js' own pickers, in one run.
 *
 *     npm run bench -- pick [--short] [--json] [--svg FILE]
 *
 * `--short` takes a few seconds; `--json` prints one JSON object instead of tables.
 */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { pickChart } from './pick-chart';
import { describeMachine, formatReport } from './report';
import { FULL, runSuite, SHORT } from './suite';

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { short: { type: 'boolean' }, json: { type: 'boolean' }, svg: { type: 'string' } },
  });
  const options = values.short === true ? SHORT : FULL;
  const machine = describeMachine();
  const measurements = await runSuite(options);
  if (values.json === true) console.log(JSON.stringify({ machine, ...options, measurements }));
  else console.log(formatReport(machine, options.rounds, measurements));
  if (values.svg !== undefined) writeFileSync(values.svg, pickChart(measurements));
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
