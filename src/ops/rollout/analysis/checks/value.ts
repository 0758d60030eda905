import type { ValueCheck } from '../../document';
import { type Condition, type ConditionValues, parseCondition } from '../condition';
import type { CheckContext, Judged } from '../judge';
import { countFailure } from './failure-limit';

/** The failure condition first; then success, and where only one of the two is given the other follows from it. */
export function judgeValue(check: ValueCheck, context: CheckContext): Judged {
  const measured = context.measurement.values?.[check.name];
  if (measured === undefined) return { verdict: 'error', message: 'not measured' };
  if ('error' in measured) return { verdict: 'error', message: measured.error };
  const failed = evaluate(check.failureCondition, measured);
  const succeeded = evaluate(check.successCondition, measured);
  if (failed === undefined || succeeded === undefined) {
    return { verdict: 'error', message: `${describe(measured)}: the condition needs a finite figure that is missing` };
  }
  if (failed === true) {
    return countFailure(context, check.failureLimit ?? 0, `${describe(measured)}: ${check.failureCondition}`, measured);
  }
  if (succeeded !== false) return { verdict: 'pass', message: describe(measured), figures: measured };
  const message = `${describe(measured)}: not ${check.successCondition}`;
  if (failed === false) return { verdict: 'undecided', message, figures: measured };
  return countFailure(context, check.failureLimit ?? 0, message, measured);
}

/** `none`: there is no such condition. Undefined: it needs a figure that is missing. */
function evaluate(text: string | undefined, values: ConditionValues): boolean | 'none' | undefined {
  if (text === undefined) return 'none';
  const condition: Condition = parseCondition(text);
  return condition(values);
}

function describe(values: ConditionValues): string {
  const parts = Object.entries(values).map(([name, value]) => `${name} ${Number(value.toPrecision(6))}`);
  return parts.length === 0 ? 'no figure' : parts.join(', ');
}
