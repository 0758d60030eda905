import { cpus } from 'node:os';
import type { Measurement } from './harness';

export interface Machine {
  readonly node: string;
  readonly platform: string;
  readonly cpu: string;
  readonly cores: number;
}

export function describeMachine(): Machine {
  const cores = cpus();
  return {
    node: process.version,
    platform: `${process.platform}-${process.arch}`,
    cpu: cores[0]?.model.trim() ?? 'unknown',
    cores: cores.length,
  };
}

/** Human-readable: one table for each group. */
export function formatReport(machine: Machine, rounds: number, measurements: readonly Measurement[]): string {
  const lines = [
    `${machine.cpu}, ${machine.cores} cores, ${machine.platform}, Node ${machine.node}`,
    `median of ${rounds} interleaved rounds, [10th .. 90th percentile]; ratio within a round to the first line`,
  ];
  const groups = [...new Set(measurements.map(({ group }) => group))];
  for (const group of groups) {
    lines.push('', group);
    for (const entry of measurements) if (entry.group === group) lines.push(formatLine(entry));
  }
  return lines.join('\n');
}

function formatLine({ name, ns, nsLow, nsHigh, ratio, bytes }: Measurement): string {
  const spread = `[${nsLow.toFixed(1)} .. ${nsHigh.toFixed(1)}]`;
  const heap = bytes === undefined ? '' : `${bytes.toFixed(0).padStart(6)} B/op`;
  return `  ${name.padEnd(34)}${ns.toFixed(1).padStart(9)} ns ${spread.padEnd(20)}${ratio.toFixed(2).padStart(9)} x${heap}`;
}
