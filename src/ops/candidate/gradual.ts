import type { CallCounts } from '../../base/candidate-report';
import { evidenceNeeded, evidenceOfExcess } from '../../base/sequential-test';
import { sleep } from '../../base/sleep';
import type { GradualFigures } from './collector';
import type { CandidateRun } from './run';

export interface GradualSettings {
  /** Percent of clients, rising, each below 100. */
  readonly steps: readonly number[];
  /** How long it stays at each at least. Milliseconds. */
  readonly stepMs: number;
  /** How many of a hundred calls may fail under it beyond those that fail under the former policy. Percent points. */
  readonly maxExcess: number;
  /** Calls under it that a step needs. */
  readonly minimumCalls: number;
}

/** A step that has begun, or been judged. */
interface GradualStep {
  readonly percent: number;
  /** Clients in which it is to be in force, of those that report. */
  readonly clients: number;
  readonly ofClients: number;
}

export type GradualOutcome =
  | { readonly kind: 'passed'; readonly figures: GradualFigures }
  /** It is in force nowhere any more. `reason`: a sentence. */
  | { readonly kind: 'taken-back'; readonly reason: string; readonly figures: GradualFigures };

export interface GradualWatch {
  readonly signal: AbortSignal;
  readonly onStep: (step: GradualStep) => void;
  /** Why it cannot go on: the policy was changed, the key is gone. Undefined: it can. */
  readonly obstacle: () => Promise<string | undefined>;
}

/** Chance that a policy which is as bad as it may be is taken back all the same, however long one looks. */
const ERROR_RATE = 0.001;
const LOOK_MS = 500;
/** A step that has too few calls waits so many times its length. */
const PATIENCE = 5;
const MARGIN_MS = 30_000;

/**
 * Puts a candidate in force in more and more of the clients, and compares the calls decided under it with those under the
 * former policy. Returns when every step has passed, with the candidate still in force in the last share, or when the
 * candidate was taken back. Closes the run in the second case alone.
 */
export async function runGradual(
  settings: GradualSettings,
  run: CandidateRun,
  watch: GradualWatch,
): Promise<GradualOutcome> {
  const back = async (reason: string): Promise<GradualOutcome> => {
    const figures = run.collector.gradual();
    await run.close();
    return { kind: 'taken-back', reason, figures };
  };
  try {
    let below = 0;
    await announce(run, settings, { below, percent: 0 });
    // In force nowhere yet: each client says where it stands, and counts its calls of before.
    await sleep(run.heardWithinMs + run.everyMs, watch.signal);
    for (const percent of settings.steps) {
      const hindered = watch.signal.aborted ? 'interrupted' : await watch.obstacle();
      if (hindered !== undefined) return await back(hindered);
      const places = run.collector.places();
      if (places.length === 0) return await back(NOBODY);
      const clients = Math.max(1, Math.round((places.length * percent) / 100));
      below = Math.max(below, boundOf(places, clients));
      await announce(run, settings, { below, percent });
      watch.onStep({ percent, clients, ofClients: places.length });
      const reason = await stepFails(settings, run, watch);
      if (reason !== undefined) return await back(reason);
    }
  } catch (error) {
    return await back(error instanceof Error ? error.message : String(error));
  }
  return { kind: 'passed', figures: run.collector.gradual() };
}

const NOBODY =
  'no client reports (expected: clients with reportRolloutMetrics: true that may read graylane/candidates/SERVICE ' +
  'and reach this command)';

async function announce(
  run: CandidateRun,
  { stepMs }: GradualSettings,
  share: { readonly below: number; readonly percent: number },
): Promise<void> {
  const other = await run.announce({ ...share, untilMs: Date.now() + PATIENCE * stepMs + MARGIN_MS });
  if (other !== undefined) throw new Error(`${other.by} has a ${other.kind} policy of this service under way`);
}

/** A place above those of so many clients, and not above the next. */
export function boundOf(places: readonly number[], clients: number): number {
  const last = places[clients - 1];
  const next = places[clients];
  return last === undefined || next === undefined ? 1 : (last + next) / 2;
}

/** Why the step fails; undefined: it has passed. */
async function stepFails(
  { stepMs, minimumCalls, maxExcess }: GradualSettings,
  run: CandidateRun,
  { signal, obstacle }: GradualWatch,
): Promise<string | undefined> {
  const sinceMs = performance.now();
  for (;;) {
    await sleep(LOOK_MS, signal);
    if (signal.aborted) return 'interrupted';
    const figures = run.collector.gradual();
    const { counts, reasons } = run.collector.clients();
    if (counts.refused > 0) return `${counts.refused} of the clients refuse it: ${reasons.refused.join('; ')}`;
    if (isWorse(figures, maxExcess)) return `more than ${maxExcess} % of calls in excess: ${describeCalls(figures)}`;
    const hindered = await obstacle();
    if (hindered !== undefined) return hindered;
    const lastsMs = performance.now() - sinceMs;
    if (lastsMs >= stepMs && figures.candidate.calls >= minimumCalls) return undefined;
    if (lastsMs >= PATIENCE * stepMs) {
      const waits = reasons.waiting.length === 0 ? '' : `; it waits: ${reasons.waiting.join('; ')}`;
      return `${figures.candidate.calls} calls under it (expected: ${minimumCalls} or more)${waits}`;
    }
  }
}

/** The sequential test of rollouts: the chance to take back one that is not worse holds however often one looks. */
export function isWorse({ candidate, former }: GradualFigures, maxExcess: number): boolean {
  const evidence = evidenceOfExcess(sided(candidate), sided(former), maxExcess / 100);
  return candidate.calls > 0 && evidence >= evidenceNeeded(ERROR_RATE);
}

function sided({ calls, failures }: CallCounts): { readonly calls: number; readonly bad: number } {
  return { calls, bad: failures };
}

/** `12 of 118 calls under it failed (10.2 %), 3 of 5900 under the former (0.1 %)` */
export function describeCalls({ candidate, former }: GradualFigures): string {
  const share = ({ calls, failures }: CallCounts): string =>
    `(${calls === 0 ? '-' : ((failures / calls) * 100).toFixed(1)} %)`;
  return (
    `${candidate.failures} of ${candidate.calls} calls under it failed ${share(candidate)}, ` +
    `${former.failures} of ${former.calls} under the former ${share(former)}`
  );
}
