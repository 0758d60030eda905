import type { RolloutProgress } from '../progress';
import type { CollectorStanding } from './collector';

/** How often rollouts of a service ended in each way while this controller drove them. */
export interface EndedRollouts {
  /** The canary has all calls. */
  completed: number;
  /** The analysis found it worse: it was taken back. */
  takenBack: number;
  /** By a person. */
  aborted: number;
}

/** Of each rollout that this controller drives, in Prometheus' text format. */
export function rolloutMetrics(
  driven: ReadonlyMap<string, RolloutProgress>,
  collected: readonly CollectorStanding[],
  ended: ReadonlyMap<string, EndedRollouts> = new Map(),
): string {
  const all = [...driven].sort(([a], [b]) => (a < b ? -1 : 1));
  const shown = collected.filter(({ service }) => driven.has(service));
  const series = (value: (progress: RolloutProgress) => number): readonly Series[] =>
    all.map(([service, progress]) => [service, value(progress)]);
  return [
    ...gauge(
      'graylane_rollout_paused',
      'Whether the rollout waits for a person.',
      series((each) => Number(waitsForPerson(each))),
    ),
    ...gauge(
      'graylane_rollout_weight',
      'Share of the canary in percent.',
      series(({ weight }) => weight),
    ),
    ...gauge(
      'graylane_rollout_step',
      'Steps that are done.',
      series(({ step }) => step),
    ),
    ...gauge(
      'graylane_rollout_clients',
      'Clients that have reported figures of the analysis that is open.',
      shown.map(({ service, clients }) => [service, clients]),
    ),
    ...gauge(
      'graylane_rollout_clients_turned_away',
      'Reports of that analysis that there was no room for.',
      shown.map(({ service, turnedAway }) => [service, turnedAway]),
    ),
    ...endings(ended),
  ]
    .map((line) => `${line}\n`)
    .join('');
}

/** Zeros too: what is absent does not rise. */
function endings(ended: ReadonlyMap<string, EndedRollouts>): readonly string[] {
  const name = 'graylane_rollout_ended_total';
  const lines = [...ended]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([service, { completed, takenBack, aborted }]) =>
      Object.entries({ completed, taken_back: takenBack, aborted }).map(
        ([how, count]) => `${name}{graylane_service="${escaped(service)}",graylane_state="${how}"} ${count}`,
      ),
    );
  return [`# HELP ${name} Rollouts that ended, by how.`, `# TYPE ${name} counter`, ...lines];
}

type Series = readonly [service: string, value: number];

/** A pause that ends by itself is none of a person's business. */
function waitsForPerson({ state }: RolloutProgress): boolean {
  if (state.kind === 'inconclusive') return true;
  return state.kind === 'paused' && (state.why !== 'step' || state.untilMs === undefined);
}

function gauge(name: string, help: string, series: readonly Series[]): readonly string[] {
  const lines = series.map(([service, value]) => `${name}{graylane_service="${escaped(service)}"} ${value}`);
  return [`# HELP ${name} ${help}`, `# TYPE ${name} gauge`, ...lines];
}

function escaped(text: string): string {
  return text.replace(/\\/g, '\\\\').replace(/"/g, '\\"').replace(/\n/g, '\\n');
}
