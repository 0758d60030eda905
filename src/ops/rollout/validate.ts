import { parsePolicyText } from '../../policy/parse-text';
import { deepFreeze, ownValue } from '../../policy/plain-data';
import type { PolicyProblem } from '../../policy/plan';
import { createProblemList, type DocumentPath, note, type Positions, type ProblemList } from '../../policy/problems';
import { copyDocument, isOfLaterFormat } from '../../policy/validation/copy-document';
import { checkMatch } from '../../policy/validation/matches';
import { listOf } from '../../policy/validation/references';
import type { RolloutDocument } from './document';
import { rolloutSchema } from './rollout-schema';
import { checkAnalysis } from './validation/checks';
import { createRolloutStructureCheck } from './validation/structure-check';
import { synonymOf } from './validation/synonyms';

const checkStructure = createRolloutStructureCheck(rolloutSchema, synonymOf);

export interface JudgedRollout {
  /** All that is wrong: `steps[1].setWeight: 120 (expected: <= 100)`. Empty: the document may be started. */
  readonly problems: readonly PolicyProblem[];
  /** A frozen copy that shares nothing with what was given; undefined when there are problems. */
  readonly document: RolloutDocument | undefined;
}

/** Reads a rollout from text. Never throws; problems carry line and column. */
export function parseRollout(text: string | Uint8Array, format: 'json' | 'yaml'): JudgedRollout {
  const parsed = parsePolicyText(text, format, 'rollout');
  if (parsed.value === undefined) return { problems: parsed.problems, document: undefined };
  const judged = validateRollout(parsed.value, parsed.positions);
  const problems = [...parsed.problems, ...judged.problems];
  return { problems, document: problems.length === 0 ? judged.document : undefined };
}

/**
 * Finds everything that is wrong with a rollout document, whatever it is. Never throws. Whether its subsets and route are those of
 * the policy is for the controller to say, which knows the policy.
 */
export function validateRollout(value: unknown, positions?: Positions): JudgedRollout {
  const problems = createProblemList(positions, 'rollout');
  const document = copyDocument(value, 'rollout', problems);
  if (document !== undefined && !isOfLaterFormat(document, problems)) {
    checkStructure(document, problems);
    checkSubsets(document, problems);
    checkSteps(document, problems);
    checkAnalysis(ownValue(document, 'analysis'), ['analysis'], problems);
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

function checkSteps(document: unknown, problems: ProblemList): void {
  const steps = listOf(ownValue(document, 'steps'));
  const names = new Set([ownValue(document, 'route')]);
  for (const [index, step] of steps.entries()) {
    const at: DocumentPath = ['steps', index];
    checkAnalysis(ownValue(step, 'analysis'), [...at, 'analysis'], problems);
    const route = ownValue(step, 'setRoute');
    checkMatch(ownValue(route, 'match'), [...at, 'setRoute', 'match'], problems);
    const name = ownValue(route, 'name');
    if (typeof name !== 'string') continue;
    if (names.has(name)) {
      problems.report([...at, 'setRoute', 'name'], name, 'a name that no other route of the rollout has');
    }
    names.add(name);
  }
  const weights = steps.map((step) => ownValue(step, 'setWeight'));
  if (steps.length > 0 && !weights.some((weight) => typeof weight !== 'undefined' && weight !== 0)) {
    problems.report(['steps'], note('no setWeight above 0'), 'at least one');
  }
}
