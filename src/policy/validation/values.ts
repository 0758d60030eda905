import { parseTimestamp } from '../override';
import type { DocumentPath, ProblemList } from '../problems';

/** A time at which something ends. One that is empty, or no text, the schema reports. */
export function checkTime(text: string | undefined, path: DocumentPath, problems: ProblemList): void {
  if (text === undefined || text === '' || parseTimestamp(text) !== undefined) return;
  problems.report(path, text, 'a time as RFC 3339, such as 2026-12-01T10:00:00Z');
}

/** Whether a percentage is one of hundredths of a percent, which is as fine as shares are drawn. */
export function isInHundredths(percent: number): boolean {
  const steps = percent * 100;
  return Math.abs(steps - Math.round(steps)) <= 1e-6;
}

/** Each item of the list `of` has a name of its own. `names`: those of the items before, with their positions. */
export function checkName(
  name: string | undefined,
  names: Map<string, number>,
  of: string,
  index: number,
  problems: ProblemList,
): void {
  if (name === undefined) return;
  const first = names.get(name);
  if (first === undefined) names.set(name, index);
  else problems.report([of, index, 'name'], name, `a name of its own; ${of}[${first}] has this one`);
}
