import { GraylaneError } from '../base/errors';
import type { PolicyProblem } from './plan';

const LINES_SHOWN = 20;

/** A policy was refused, whole. `problems` has everything that is wrong with it; the message shows the first twenty. */
export class PolicyError extends GraylaneError {
  /** `PolicyError`. */
  override readonly name: string = 'PolicyError';
  /** Never empty. */
  readonly problems: readonly PolicyProblem[];

  constructor(service: string, problems: readonly PolicyProblem[]) {
    super('INVALID_POLICY', describe(service, problems));
    this.problems = Object.freeze([...problems]);
  }
}

function describe(service: string, problems: readonly PolicyProblem[]): string {
  const count = problems.length === 1 ? '1 problem' : `${problems.length} problems`;
  const lines = problems.slice(0, LINES_SHOWN).map((problem) => `\n  ${describeProblem(problem)}`);
  const rest = problems.length > LINES_SHOWN ? `\n  and ${problems.length - LINES_SHOWN} more` : '';
  return `policy of ${service} refused, ${count}:${lines.join('')}${rest}`;
}

/** `/etc/payments.yaml:12:5 routes[1].split[0].weight: -1 (expected: >= 0)`, as far as file and line are known. */
export function locateProblem(place: string | undefined, problem: PolicyProblem): string {
  const told = describeProblem(problem);
  if (place === undefined) return told;
  return problem.line === undefined ? `${place}: ${told}` : `${place}:${told}`;
}

/** One line: `12:5 routes[1].split[0].weight: -1 (expected: >= 0)`, the position only where it is known. */
function describeProblem(problem: PolicyProblem): string {
  return problem.line === undefined ? problem.message : `${problem.line}:${problem.column ?? 1} ${problem.message}`;
}
