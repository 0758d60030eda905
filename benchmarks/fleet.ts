/**
 * A seeded simulation of a whole fleet, without a network: how evenly instances are loaded, and how many connections they hold,
 * with and without subsetting, by each algorithm, with one slow instance. Writes a chart beside the table.
 *
 *     node --import tsx benchmarks/fleet.ts [--clients 10000] [--seed 1] [--json] [--svg docs/fleet.svg]
 */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import type { Algorithm } from '../src/policy/document';
import { barChart } from './bar-chart';
import { type FleetOptions, type FleetResult, simulateFleet } from './fleet/simulation';

interface Row {
  readonly name: string;
  readonly options: FleetOptions;
  readonly result: FleetResult;
}

const ALGORITHMS: readonly Algorithm[] = ['peak_ewma', 'least_request', 'round_robin', 'random', 'ring_hash'];
/** A client that uses all of 1,000 endpoints keeps 1,000 loads: fewer clients then stand for the fleet. */
const WITHOUT_SUBSETS = 500;

function plan(clients: number, seed: number): readonly (readonly [string, FleetOptions])[] {
  const base = {
    clients,
    instances: 1_000,
    subsetSize: 20,
    clientIds: 'numbered',
    callsPerSecond: 200_000,
    seconds: 4,
    slowFactor: 1,
    seed,
  } as const;
  return [
    ...ALGORITHMS.map((algorithm) => [`${algorithm}, 20 of 1,000`, { ...base, algorithm }] as const),
    ['peak_ewma, 20 of 1,000, random client IDs', { ...base, algorithm: 'peak_ewma', clientIds: 'random' }],
    ['peak_ewma, 20 of 10,000', { ...base, algorithm: 'peak_ewma', instances: 10_000, callsPerSecond: 400_000 }],
    [
      `peak_ewma, all of 1,000 (${WITHOUT_SUBSETS} clients)`,
      { ...base, algorithm: 'peak_ewma', clients: WITHOUT_SUBSETS, subsetSize: undefined },
    ],
    ...(['peak_ewma', 'round_robin'] as const).map(
      (algorithm) => [`${algorithm}, 20 of 1,000, one 20 x slower`, { ...base, algorithm, slowFactor: 20 }] as const,
    ),
  ];
}

function format({ name, result }: Row): string {
  const { maxToMean, connectionsPerInstance, slowShare, p50Ms, p99Ms } = result;
  return (
    `${name.padEnd(46)}max/mean ${maxToMean.toFixed(2)}   connections ${connectionsPerInstance.mean.toFixed(0)} ` +
    `(most ${connectionsPerInstance.max})   first instance ${(slowShare * 100).toFixed(1)} % of its share   ` +
    `p50 ${p50Ms.toFixed(1)} ms  p99 ${p99Ms.toFixed(1)} ms`
  );
}

function main(): void {
  const { values } = parseArgs({
    options: {
      clients: { type: 'string' },
      seed: { type: 'string' },
      json: { type: 'boolean' },
      svg: { type: 'string' },
    },
  });
  const rows: Row[] = [];
  for (const [name, options] of plan(Number(values.clients ?? 10_000), Number(values.seed ?? 1))) {
    const row = { name, options, result: simulateFleet(options) };
    rows.push(row);
    if (values.json !== true) console.log(format(row));
  }
  if (values.json === true) console.log(JSON.stringify(rows));
  if (values.svg !== undefined) {
    const bars = rows.map(({ name, result }) => ({ name, parts: [result.maxToMean] }));
    writeFileSync(values.svg, barChart('Busiest instance by the average one', [{ bars, decimals: 2 }]));
  }
}

main();
