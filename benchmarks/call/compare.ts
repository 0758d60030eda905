import type { BatchCost } from '../peers/calls';
import { pairedDifference, pairedRatio, type Spread, spreadOf } from '../sample';
import { REFERENCE } from '../variants';
import type { Scenario } from './plan';

/** What one variant cost in one scenario; "more" and "by" are to the reference in the same round. */
export interface CallLine {
  readonly scenario: string;
  readonly variant: string;
  readonly cpuUs: Spread;
  readonly cpuMoreUs: Spread;
  readonly cpuBy: Spread;
  readonly p50Us: Spread;
  readonly p50By: Spread;
  readonly p99Us: Spread;
}

/** One variant held against another, and what is asked of it. */
export interface Comparison {
  readonly scenario: string;
  readonly what: string;
  readonly by: Spread;
  readonly moreUs: Spread;
  readonly most: number;
}

/** Costs of each round, by variant. */
export type Rounds = ReadonlyMap<string, readonly BatchCost[]>;

interface Bar {
  readonly what: string;
  readonly of: string;
  readonly by: string;
  readonly field: 'cpuUsPerCall' | 'p50Us';
  readonly most: number;
  readonly applies: (scenario: Scenario) => boolean;
}

const isUnary = ({ batch }: Scenario): boolean => batch.kind === 'unary';

const BARS: readonly Bar[] = [
  {
    what: 'processor time, policy + breakers by round_robin',
    of: 'breakers',
    by: REFERENCE,
    field: 'cpuUsPerCall',
    most: 1.03,
    applies: isUnary,
  },
  {
    what: 'p50, policy + breakers by round_robin',
    of: 'breakers',
    by: REFERENCE,
    field: 'p50Us',
    most: 1.03,
    applies: (scenario) => isUnary(scenario) && scenario.batch.concurrency === 1,
  },
  {
    what: 'processor time, with metrics by without',
    of: 'metrics',
    by: 'breakers',
    field: 'cpuUsPerCall',
    most: 1.05,
    applies: isUnary,
  },
  {
    what: 'processor time, two spans by instrumentation-grpc and its one',
    of: 'spans',
    by: 'instrumented',
    field: 'cpuUsPerCall',
    most: 1,
    applies: isUnary,
  },
];

export function linesOf({ name }: Scenario, rounds: Rounds): readonly CallLine[] {
  const at = reader(rounds);
  const cpu = at(REFERENCE, 'cpuUsPerCall');
  const p50 = at(REFERENCE, 'p50Us');
  return [...rounds.keys()].map((variant) => ({
    scenario: name,
    variant,
    cpuUs: spreadOf(at(variant, 'cpuUsPerCall')),
    cpuMoreUs: pairedDifference(at(variant, 'cpuUsPerCall'), cpu),
    cpuBy: pairedRatio(at(variant, 'cpuUsPerCall'), cpu),
    p50Us: spreadOf(at(variant, 'p50Us')),
    p50By: pairedRatio(at(variant, 'p50Us'), p50),
    p99Us: spreadOf(at(variant, 'p99Us')),
  }));
}

/** The bars of which both sides were measured. */
export function comparisonsOf(scenario: Scenario, rounds: Rounds): readonly Comparison[] {
  const at = reader(rounds);
  return BARS.filter(({ of, by, applies }) => applies(scenario) && rounds.has(of) && rounds.has(by)).map(
    ({ what, of, by, field, most }) => ({
      scenario: scenario.name,
      what,
      by: pairedRatio(at(of, field), at(by, field)),
      moreUs: pairedDifference(at(of, field), at(by, field)),
      most,
    }),
  );
}

function reader(rounds: Rounds): (variant: string, field: keyof BatchCost) => readonly number[] {
  return (variant, field) => (rounds.get(variant) ?? []).map((cost) => cost[field]);
}
