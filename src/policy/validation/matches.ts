import { isRecord } from '../../base/is-record';
import { labelKeyFault } from '../label-key';
import { MAX_REGEX_CHARACTERS } from '../limits';
import { isCidr } from '../matchers/cidr';
import { regexFault } from '../matchers/regex';
import { ownValue } from '../plain-data';
import { type DocumentPath, note, type ProblemList } from '../problems';
import { listOf } from './references';

/** What a schema cannot say of the `match` of a route. */
export function checkMatch(match: unknown, path: DocumentPath, problems: ProblemList): void {
  checkLabels(ownValue(match, 'labels'), [...path, 'labels'], problems);
  for (const [index, group] of listOf(ownValue(match, 'any')).entries()) {
    checkLabels(ownValue(group, 'labels'), [...path, 'any', index, 'labels'], problems);
  }
  const sample = ownValue(match, 'sample');
  checkLabelKey(ownValue(sample, 'by'), [...path, 'sample', 'by'], problems);
  const percent = ownValue(sample, 'percent');
  if (typeof percent === 'number' && percent >= 0 && percent <= 100) {
    const steps = percent * 100;
    if (Math.abs(steps - Math.round(steps)) > 1e-6) {
      problems.report([...path, 'sample', 'percent'], percent, '0 to 100 in steps of 0.01');
    }
  }
}

/** For the places where a label is named by a value: `stickBy`, `sample.by`, `hashBy`. */
export function checkLabelKey(key: unknown, path: DocumentPath, problems: ProblemList): void {
  if (typeof key !== 'string' || key === '') return;
  const fault = labelKeyFault(key);
  if (fault !== undefined) problems.report(path, key, fault);
}

function checkLabels(labels: unknown, path: DocumentPath, problems: ProblemList): void {
  if (!isRecord(labels)) return;
  const seen = new Set<string>();
  for (const [key, matcher] of Object.entries(labels)) {
    const fault = labelKeyFault(key);
    if (fault !== undefined) problems.report([...path, key], note('this key'), fault);
    if (seen.has(key.toLowerCase()))
      problems.report([...path, key], note('given twice'), 'each key once, whatever its case');
    seen.add(key.toLowerCase());
    checkMatcher(matcher, [...path, key], problems);
  }
}

function checkMatcher(matcher: unknown, path: DocumentPath, problems: ProblemList): void {
  if (!isRecord(matcher)) return;
  if (Object.keys(matcher).every((key) => key === 'ignoreCase')) {
    problems.report(path, matcher, 'a condition, such as exact, prefix, in or present');
  }
  const regex = matcher['regex'];
  // The schema already reports one that is too long.
  if (typeof regex === 'string' && regex.length <= MAX_REGEX_CHARACTERS) {
    const fault = regexFault(regex);
    if (fault !== undefined) problems.report([...path, 'regex'], regex, fault);
  }
  const range = matcher['range'];
  if (Array.isArray(range) && range.length === 2) {
    const [from, to]: readonly unknown[] = range;
    if (typeof from === 'number' && typeof to === 'number' && !(from < to)) {
      problems.report([...path, 'range'], range, '[from, to) with from < to');
    }
  }
  checkCidr(matcher['cidr'], [...path, 'cidr'], problems);
  checkMatcher(matcher['not'], [...path, 'not'], problems);
}

function checkCidr(cidr: unknown, path: DocumentPath, problems: ProblemList): void {
  const expected = 'a block such as 10.0.0.0/8 or 2001:db8::/32';
  if (typeof cidr === 'string' && !isCidr(cidr)) problems.report(path, cidr, expected);
  for (const [index, block] of listOf(cidr).entries()) {
    if (typeof block === 'string' && !isCidr(block)) problems.report([...path, index], block, expected);
  }
}
