import { parseArgs } from 'node:util';
import type { Batch } from '../peers/calls';
import { REFERENCE, VARIANTS } from '../variants';

/** Calls of one kind, so many at a time. */
export interface Scenario {
  readonly name: string;
  readonly batch: Batch;
}

/** What one run measures. */
export interface CallPlan {
  readonly scenarios: readonly Scenario[];
  /** Keys of VARIANTS, the reference first. */
  readonly variants: readonly string[];
  /** Kept ones; each runs every variant once. */
  readonly rounds: number;
  /** Of each variant; they take turns. */
  readonly processes: number;
  /** Afterwards, where the time of each variant went. */
  readonly isProfiled: boolean;
  readonly isJson: boolean;
  /** Where the chart goes. */
  readonly svg: string | undefined;
}

const KINDS = ['unary', 'stream'] as const;

/** Throws for a flag's value that names nothing, with what was expected. */
export function planCalls(args: readonly string[]): CallPlan {
  const { values } = parseArgs({
    args: [...args],
    options: {
      kind: { type: 'string' },
      concurrency: { type: 'string' },
      variants: { type: 'string' },
      rounds: { type: 'string' },
      processes: { type: 'string' },
      profile: { type: 'boolean' },
      short: { type: 'boolean' },
      json: { type: 'boolean' },
      svg: { type: 'string' },
    },
  });
  const isShort = values.short === true;
  const kinds = chosen('--kind', values.kind, KINDS);
  const others = Object.keys(VARIANTS).filter((name) => name !== REFERENCE);
  const wanted = chosen('--variants', values.variants, [REFERENCE, ...others]);
  const concurrencies = (values.concurrency ?? '1,32,128').split(',').map((text) => count('--concurrency', text));
  return {
    scenarios: kinds.flatMap((kind) =>
      concurrencies.map((at) => scenario(kind as Batch['kind'], at, isShort ? 0.5 : 1)),
    ),
    variants: [REFERENCE, ...others.filter((name) => wanted.includes(name))],
    rounds: values.rounds === undefined ? (isShort ? 7 : 31) : count('--rounds', values.rounds),
    processes: values.processes === undefined ? 1 : count('--processes', values.processes),
    isProfiled: values.profile === true,
    isJson: values.json === true,
    svg: values.svg,
  };
}

function scenario(kind: Batch['kind'], concurrency: number, scale: number): Scenario {
  const calls = Math.round((kind === 'stream' ? 600 : 2_000) * (concurrency === 1 ? 0.25 : 1) * scale);
  const what = kind === 'stream' ? 'stream of 10 messages' : 'unary';
  return { name: `${what}, ${concurrency} at a time`, batch: { kind, calls, concurrency } };
}

function chosen(flag: string, text: string | undefined, known: readonly string[]): readonly string[] {
  if (text === undefined) return known;
  const names = text.split(',').map((name) => name.trim());
  const unknown = names.filter((name) => !known.includes(name));
  if (unknown.length > 0) throw new Error(`${flag}: ${unknown.join(',')} (expected: some of ${known.join(',')})`);
  return names;
}

function count(flag: string, text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new Error(`${flag}: ${text} (expected: whole numbers >= 1)`);
  return value;
}
