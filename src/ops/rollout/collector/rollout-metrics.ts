import { quotedText } from '../../prometheus';
import type { RolloutProgress } from '../progress';
import type { CollectorStatus } from './collector';

/** How the rollouts of one datacenter stand that a controller drives, by service. */
export interface PlaceMetrics {
  /** Undefined: the agent's own, of which there is one alone; its series have no label for it. */
  readonly datacenter: string | undefined;
  readonly led: ReadonlyMap<string, RolloutProgress>;
  readonly collected: readonly CollectorStatus[];
  readonly ended: ReadonlyMap<string, EndedRollouts>;
}

/**
 * How often rollouts of a service ended in each way while this controller drove them: the canary has all calls, the
 * analysis found it worse or a gate refused, or a person ended it.
 */
export type EndedRollouts = Record<'completed' | 'taken_back' | 'aborted', number>;

export function endingOf({ state }: RolloutProgress): keyof EndedRollouts {
  if (state.kind === 'completed') return 'completed';
  return state.kind === 'aborted' && state.why !== 'operator' ? 'taken_back' : 'aborted';
}

/** A pause that ends by itself needs no person. */
function waitsForPerson({ state }: RolloutProgress): boolean {
  if (state.kind === 'inconclusive') return true;
  return state.kind === 'paused' && (state.why !== 'step' || state.untilMs === undefined);
}

type Gauges<T> = readonly (readonly [name: string, help: string, value: (of: T) => number])[];

const OF_ROLLOUTS: Gauges<RolloutProgress> = [
  ['paused', 'Whether the rollout waits for a person.', (progress) => Number(waitsForPerson(progress))],
  ['weight', 'Share of the canary in percent.', ({ weight }) => weight],
  ['step', 'Steps that are done.', ({ step }) => step],
];
const OF_REPORTS: Gauges<CollectorStatus> = [
  ['clients', 'Clients that have reported figures of the analysis that is open.', ({ clients }) => clients],
  ['clients_turned_away', 'Reports of that analysis that there was no room for.', ({ turnedAway }) => turnedAway],
];

/** Of each rollout that this controller drives, in Prometheus' text format. */
export function rolloutMetrics(places: readonly PlaceMetrics[]): string {
  const rollouts = places.flatMap(({ datacenter, led }) => labelled(led, datacenter));
  const reports = places.flatMap(({ datacenter, led, collected }) =>
    labelled(
      new Map(collected.filter(({ service }) => led.has(service)).map((each) => [each.service, each])),
      datacenter,
    ),
  );
  // Zeros are written too: a series that appears later does not count as a rise.
  const endings = places.flatMap(({ datacenter, ended }) =>
    labelled(ended, datacenter).flatMap(([labels, counts]) =>
      Object.entries(counts).map(([how, count]): Series => [`${labels},graylane_state="${how}"`, count]),
    ),
  );
  return [
    ...OF_ROLLOUTS.map((gauge) => gaugeOf(gauge, rollouts)),
    ...OF_REPORTS.map((gauge) => gaugeOf(gauge, reports)),
    family('ended_total', 'counter', 'Rollouts that ended, by how.', endings),
  ].join('');
}

type Labelled<T> = readonly [labels: string, value: T];
type Series = Labelled<number>;

/** In the order of their names. */
function labelled<T>(byService: ReadonlyMap<string, T>, datacenter: string | undefined): readonly Labelled<T>[] {
  const place = datacenter === undefined ? '' : `,graylane_datacenter="${quotedText(datacenter)}"`;
  return [...byService]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([service, value]) => [`graylane_service="${quotedText(service)}"${place}`, value]);
}

function gaugeOf<T>([name, help, value]: Gauges<T>[number], of: readonly Labelled<T>[]): string {
  return family(
    name,
    'gauge',
    help,
    of.map(([labels, each]): Series => [labels, value(each)]),
  );
}

function family(name: string, type: 'gauge' | 'counter', help: string, series: readonly Series[]): string {
  const lines = series.map(([labels, value]) => `graylane_rollout_${name}{${labels}} ${value}\n`);
  return `# HELP graylane_rollout_${name} ${help}\n# TYPE graylane_rollout_${name} ${type}\n${lines.join('')}`;
}
