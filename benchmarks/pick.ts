/**
 * What a pick, a decision and a call's whole way to its endpoint cost, beside grpc-js' own pickers, in one run.
 *
 *     npm run bench -- pick [--short] [--json] [--svg FILE] [--xds]
 *
 * `--short` takes a few seconds; `--json` prints one JSON object instead of tables; `--xds` fetches grpc-js-xds with npm, into
 * .cache, whose pickers are measured, too, from then on.
 */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { pickChart } from './pick-chart';
import { describeMachine, formatReport } from './report';
import { FULL, runSuite, SHORT } from './suite';
import { fetchXds } from './xds-pickers';

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      short: { type: 'boolean' },
      json: { type: 'boolean' },
      svg: { type: 'string' },
      xds: { type: 'boolean' },
    },
  });
  if (values.xds === true) fetchXds();
  const options = values.short === true ? SHORT : FULL;
  const machine = describeMachine();
  const measurements = await runSuite(options);
  if (values.svg !== undefined) writeFileSync(values.svg, pickChart(measurements));
  if (values.json === true) {
    console.log(JSON.stringify({ machine, ...options, measurements }));
    return;
  }
  console.log(formatReport(machine, options.rounds, measurements));
  if (!measurements.some(({ name }) => name.includes('xds'))) {
    console.log('\ngrpc-js-xds weighted_target, ring_hash: not measured (--xds fetches them)');
  }
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
