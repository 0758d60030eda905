import { ownValue } from '../../../policy/plain-data';
import { type DocumentPath, MISSING, note, type ProblemList } from '../../../policy/problems';
import { listOf } from '../../../policy/validation/references';
import { parseCondition } from '../analysis/condition';
import { DEFAULT_QUANTILE } from '../analysis/settings';
import { CLIENTS } from '../config/controller-config';

const CONDITIONS = ['successCondition', 'failureCondition'] as const;
const BUILT_IN: readonly string[] = ['request-success-rate', 'request-duration', 'breaker-open'];

/** What a schema cannot say of an analysis: names given twice, conditions that cannot be read, queries out of place. */
export function checkAnalysis(analysis: unknown, path: DocumentPath, problems: ProblemList): void {
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
      parseCondition(text);
    } catch (error) {
      problems.report([...path, key], text, error instanceof Error ? error.message : 'a condition');
    }
  }
}

function nameIn(check: unknown): string | undefined {
  const kind = ownValue(check, 'check');
  if (kind === 'request-duration') return `${kind} ${String(ownValue(check, 'quantile') ?? DEFAULT_QUANTILE)}`;
  const name = kind === 'value' ? ownValue(check, 'name') : kind;
  return typeof name === 'string' ? name : undefined;
}
