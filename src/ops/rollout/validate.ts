import { parseDocumentText } from '../../policy/parse-text';
import { deepFreeze, ownValue } from '../../policy/plain-data';
import type { PolicyProblem } from '../../policy/plan';
import { type DocumentPath, MISSING, note, type Positions, ProblemList } from '../../policy/problems';
import { copyDocument, isOfLaterFormat } from '../../policy/validation/copy-document';
import { checkMatch, listOf } from '../../policy/validation/matches';
import { isInHundredths } from '../../policy/validation/values';
import { parseCondition } from './analysis/condition';
import { namesOfQuery } from './analysis/prometheus';
import { DEFAULT_QUANTILE } from './analysis/settings';
import { CLIENTS } from './config/controller-config';
import type { RolloutDocument } from './document';
import { checkGates, checkSchedule } from './gates/check-gates';
import { rolloutSchema, SYNONYMS } from './rollout-schema';
import { createRolloutStructureCheck } from './structure-check';

const checkStructure = createRolloutStructureCheck(rolloutSchema, SYNONYMS);

export interface JudgedRollout {
  /** All that is wrong: `steps[1].setWeight: 120 (expected: <= 100)`. Empty: the document may be started. */
  readonly problems: readonly PolicyProblem[];
  /** A frozen copy that shares nothing with what was given; undefined when there are problems. */
  readonly document: RolloutDocument | undefined;
}

/** Reads a rollout from text. Never throws; problems carry line and column. */
export function parseRollout(text: string | Uint8Array, format: 'json' | 'yaml'): JudgedRollout {
  const parsed = parseDocumentText(text, format, 'rollout');
  if (parsed.value === undefined) return { problems: parsed.problems, document: undefined };
  const judged = validateRollout(parsed.value, parsed.positions);
  const problems = [...parsed.problems, ...judged.problems];
  return { problems, document: problems.length === 0 ? judged.document : undefined };
}

/**
 * Finds every problem of a rollout document. Never throws. The controller checks the names of its subsets and its route
 * against the policy.
 */
export function validateRollout(value: unknown, positions?: Positions): JudgedRollout {
  const problems = new ProblemList(positions, 'rollout');
  const document = copyDocument(value, 'rollout', problems);
  if (document !== undefined && !isOfLaterFormat(document, problems)) {
    checkStructure(document, problems);
    checkSubsets(document, problems);
    checkSteps(document, problems);
    checkAnalysis(ownValue(document, 'analysis'), ['analysis'], problems);
    checkDeployment(document, problems);
    checkGates(document, problems);
    checkSchedule(ownValue(document, 'schedule'), ['schedule'], problems);
  }
  const isSound = problems.problems.length === 0;
  return {
    problems: problems.problems,
    document: isSound ? deepFreeze(document as unknown as RolloutDocument) : undefined,
  };
}

function checkSubsets(document: unknown, problems: ProblemList): void {
  const canary = ownValue(document, 'canary');
  if (typeof canary === 'string' && canary !== '' && canary === ownValue(document, 'stable')) {
    problems.report(['canary'], canary, 'another subset than stable');
  }
}

/** A share that is kept would be that of the next deployment's first canary. */
function checkDeployment(document: unknown, problems: ProblemList): void {
  if (ownValue(document, 'deployment') === undefined || ownValue(document, 'onSuccess') !== 'keep') return;
  problems.report(['onSuccess'], note('keep, beside deployment'), 'promote, which a deployment does without it');
}

function checkSteps(document: unknown, problems: ProblemList): void {
  const steps = listOf(ownValue(document, 'steps'));
  const names = new Set([ownValue(document, 'route')]);
  const begun: Begun = { routes: new Set(), hasMirror: false };
  for (const [index, step] of steps.entries()) {
    const at: DocumentPath = ['steps', index];
    checkAnalysis(ownValue(step, 'analysis'), [...at, 'analysis'], problems);
    const route = ownValue(step, 'setRoute');
    checkMatch(ownValue(route, 'match'), [...at, 'setRoute', 'match'], problems);
    checkEnds(step, index, begun, problems);
    if (ownValue(step, 'setMirror') !== undefined) begun.hasMirror = true;
    const name = ownValue(route, 'name');
    if (typeof name !== 'string') continue;
    if (names.has(name)) {
      problems.report([...at, 'setRoute', 'name'], name, 'a name that no other route of the rollout has');
    }
    names.add(name);
    begun.routes.add(name);
  }
  const weights = steps.map((step) => ownValue(step, 'setWeight'));
  if (steps.length > 0 && !weights.some((weight) => typeof weight !== 'undefined' && weight !== 0)) {
    problems.report(['steps'], note('no setWeight above 0'), 'at least one');
  }
}

/** What the steps before one have begun. */
interface Begun {
  /** Names of `setRoute`. */
  readonly routes: Set<unknown>;
  hasMirror: boolean;
}

/** A step that ends something follows one that began it. */
function checkEnds(step: unknown, index: number, { routes, hasMirror }: Begun, problems: ProblemList): void {
  const cleared = ownValue(step, 'clearRoute');
  if (typeof cleared === 'string' && !routes.has(cleared)) {
    problems.report(['steps', index, 'clearRoute'], cleared, 'the name of a setRoute before it');
  }
  const percent = ownValue(ownValue(step, 'setMirror'), 'percent');
  const path = ['steps', index, 'setMirror', 'percent'];
  if (typeof percent === 'number' && !isInHundredths(percent)) problems.report(path, percent, 'steps of 0.01');
  if (percent === 0 && !hasMirror) problems.report(path, percent, '> 0, or a setMirror before it');
}

const CONDITIONS = ['successCondition', 'failureCondition'] as const;
const BUILT_IN: readonly string[] = ['request-success-rate', 'request-duration', 'breaker-open', 'mirror-compare'];

/** Checks what a schema cannot express: names given twice, conditions that cannot be read, queries out of place. */
function checkAnalysis(analysis: unknown, path: DocumentPath, problems: ProblemList): void {
  const provider = ownValue(analysis, 'provider') ?? CLIENTS;
  if (provider === CLIENTS && ownValue(analysis, 'failureStatusCodes') !== undefined) {
    const expected = 'only with a provider; clients report what their breakers take for a failure';
    problems.report([...path, 'failureStatusCodes'], note('given'), expected);
  }
  const seen = new Set<string>();
  for (const [index, check] of listOf(ownValue(analysis, 'checks')).entries()) {
    const at = [...path, 'checks', index];
    const name = nameIn(check);
    if (name !== undefined && seen.has(name)) {
      const key = ownValue(check, 'check') === 'value' ? 'name' : 'check';
      problems.report([...at, key], note(`${name}, given twice`), 'each check once');
    }
    if (name !== undefined) seen.add(name);
    if (ownValue(check, 'check') === 'value') checkValue(check, at, problems);
  }
}

function checkValue(check: unknown, path: DocumentPath, problems: ProblemList): void {
  const name = ownValue(check, 'name');
  if (typeof name === 'string' && BUILT_IN.includes(name)) {
    problems.report([...path, 'name'], name, 'a name that no built-in check has');
  }
  if (ownValue(check, 'provider') === CLIENTS) {
    problems.report([...path, 'provider'], CLIENTS, 'a provider of one figure; clients report calls');
  }
  if (CONDITIONS.every((key) => ownValue(check, key) === undefined)) {
    problems.report([...path, 'successCondition'], MISSING, 'successCondition, failureCondition or both');
  }
  for (const key of CONDITIONS) {
    const text = ownValue(check, key);
    if (typeof text !== 'string' || text === '') continue;
    try {
      checkFigures(parseCondition(text).names, ownValue(check, 'query'), [...path, key], text, problems);
    } catch (error) {
      problems.report([...path, key], text, error instanceof Error ? error.message : 'a condition');
    }
  }
}

/** A query says by itself which figures it yields; a webhook and a program say so when they are asked. */
function checkFigures(
  names: Iterable<string>,
  query: unknown,
  path: DocumentPath,
  condition: string,
  problems: ProblemList,
): void {
  if (typeof query !== 'string') return;
  const yielded: readonly string[] = namesOfQuery(query);
  const foreign = [...names].filter((name) => !yielded.includes(name));
  if (foreign.length === 0) return;
  const isEach = yielded.includes('canary');
  const expected = isEach
    ? 'canary and stable alone: a query with {{subset}} is asked for each of them, and yields no result'
    : 'result alone: this query yields one figure. With {{subset}} in it, it is asked for each, and yields canary and stable';
  problems.report(path, condition, expected);
}

function nameIn(check: unknown): string | undefined {
  const kind = ownValue(check, 'check');
  if (kind === 'request-duration') return `${kind} ${String(ownValue(check, 'quantile') ?? DEFAULT_QUANTILE)}`;
  const name = kind === 'value' ? ownValue(check, 'name') : kind;
  return typeof name === 'string' ? name : undefined;
}
