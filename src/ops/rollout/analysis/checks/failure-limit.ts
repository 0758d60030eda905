import type { CheckContext, Judged } from '../judge';
import type { CheckFigures } from '../verdict';

/** A measurement that failed: tolerated up to the limit, counted in the window. */
export function countFailure(
  context: CheckContext,
  failureLimit: number,
  message: string,
  figures: CheckFigures,
): Judged {
  const failures = context.failures + 1;
  if (failures > failureLimit) return { verdict: 'fail', message, figures, failures };
  return { verdict: 'pass', message: `${message} (failure ${failures} of ${failureLimit} allowed)`, figures, failures };
}
