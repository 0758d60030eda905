import { systemClock } from '../../../base/clock';
import { findMovedCallers, type MovedCallers } from '../../../ops/compare/moved-callers';
import { type Crowd, crowdUnder, movedUsers, userLabelOf } from '../../../ops/simulation/crowd';
import { assumedLanes } from '../../../policy/lanes/assumed-lanes';
import type { Plan, PolicyProblem } from '../../../policy/plan';
import { explainRouting, type RoutingExplanation } from '../../../policy/routing/explain';
import { labelsOf } from '../../../policy/routing/labels';
import { type Outline, outlineOf, withShare } from './outline';
import type { PolicyReader } from './read-policy';
import { type BreakerRun, type BreakerScenario, runBreaker } from './run-breaker';
import { type RolloutRun, type RolloutScenario, runRollout } from './run-rollout';

/** A call as the page's form describes it. */
export interface PlaygroundCall {
  /** `/package.Service/Method`. */
  readonly method: string;
  /** Keys in any case. */
  readonly labels: Readonly<Record<string, string>>;
  /** The service that makes the call, for `match.from`; empty: one that states no name. */
  readonly caller: string;
  /** Lanes that have instances, as `policy test` takes them. */
  readonly lanes: readonly string[];
}

/** What the page asks its worker. */
export type Question =
  | { readonly kind: 'check'; readonly text: string }
  | { readonly kind: 'explain'; readonly text: string; readonly call: PlaygroundCall }
  /** Where users go under `text`, and who of them went elsewhere under `before`. */
  | { readonly kind: 'crowd'; readonly before: string; readonly text: string; readonly call: PlaygroundCall }
  /** The text with another share of one entry of a split. */
  | ({ readonly kind: 'reweigh'; readonly text: string } & SplitShare)
  | { readonly kind: 'breaker'; readonly text: string; readonly scenario: BreakerScenario }
  | { readonly kind: 'rollout'; readonly text: string; readonly scenario: RolloutScenario };

/** An entry of a split, by places in the document, and its percentage of the route's calls. */
interface SplitShare {
  readonly route: number;
  readonly entry: number;
  readonly percent: number;
}

/** What the worker answers. Undefined: the text is no sound policy, as `check` says. */
export interface Answers {
  readonly check: CheckAnswer;
  readonly explain: RoutingExplanation | undefined;
  readonly crowd: CrowdAnswer | undefined;
  readonly reweigh: string | undefined;
  readonly breaker: BreakerRun | undefined;
  readonly rollout: RolloutRun;
}

export interface CheckAnswer {
  /** The one that was asked about. */
  readonly text: string;
  readonly problems: readonly PolicyProblem[];
  readonly warnings: readonly PolicyProblem[];
  readonly outline: Outline | undefined;
}

export interface CrowdAnswer {
  readonly crowd: Crowd;
  /** Users who went elsewhere under `before`, by their index. */
  readonly moved: readonly number[];
  /** Of each sticky split and sample, what `policy diff` says. */
  readonly compared: readonly MovedCallers[];
}

/** Answers one question. Pure, but for the wall clock and for what chance decides. */
export function answer<Q extends Question>(question: Q, reader: PolicyReader): Answers[Q['kind']] {
  return answerAny(question, reader) as Answers[Q['kind']];
}

function answerAny(question: Question, reader: PolicyReader): Answers[Question['kind']] {
  if (question.kind === 'rollout') return runRollout(question.text, question.scenario);
  const caller = 'call' in question ? question.call.caller : '';
  const { plan, problems, warnings } = reader.read(question.text, caller);
  switch (question.kind) {
    case 'check':
      return { text: question.text, problems, warnings, outline: plan && outlineOf(plan) };
    case 'explain':
      return plan && explain(plan, question.call);
    case 'crowd':
      return plan && compareCrowds(reader.read(question.before, caller).plan ?? plan, plan, question.call);
    case 'reweigh':
      return plan && withShare(plan, question.text, question);
    case 'breaker':
      return plan && runBreaker(plan, question.scenario);
  }
}

function explain(plan: Plan, { method, labels, lanes }: PlaygroundCall): RoutingExplanation {
  const env = { clock: systemClock, random: Math.random, lanes: assumedLanes(plan, lanes) };
  return explainRouting(plan, { method, labels: labelsOf(labels), force: undefined, stickyKey: undefined }, env);
}

function compareCrowds(before: Plan, after: Plan, { method, labels, lanes }: PlaygroundCall): CrowdAnswer {
  const call = { method, labels, userLabel: userLabelOf(before) ?? userLabelOf(after) };
  const crowdOf = (plan: Plan): Crowd => crowdUnder(plan, call, assumedLanes(plan, lanes));
  const crowd = crowdOf(after);
  return { crowd, moved: movedUsers(crowdOf(before), crowd), compared: findMovedCallers(before, after) };
}
