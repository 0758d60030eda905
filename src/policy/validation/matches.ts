import { isRecord } from '../../base/is-record';
import { readLabelKeyFault } from '../label-key';
import { MAX_REGEX_CHARACTERS, MAX_VERSION_RANGE_CHARACTERS } from '../limits';
import { isCidr } from '../matchers/cidr';
import { regexFault } from '../matchers/regex';
import { isVersionRange } from '../matchers/version';
import { ownValue } from '../plain-data';
import { type DocumentPath, note, type ProblemList } from '../problems';
import { isInHundredths } from './values';

export function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** What a schema cannot say of the `match` of a route, whatever stands there. */
export function checkMatch(match: unknown, path: DocumentPath, problems: ProblemList): void {
  checkLabels(ownValue(match, 'labels'), [...path, 'labels'], problems);
  const any = ownValue(match, 'any');
  for (const [index, group] of any === undefined ? [] : listOf(any).entries()) {
    checkLabels(ownValue(group, 'labels'), [...path, 'any', index, 'labels'], problems);
  }
  const sample = ownValue(match, 'sample');
  if (sample === undefined) return;
  checkLabelKey(ownValue(sample, 'by'), [...path, 'sample', 'by'], problems);
  const percent = ownValue(sample, 'percent');
  if (typeof percent === 'number' && percent >= 0 && percent <= 100 && !isInHundredths(percent)) {
    problems.report([...path, 'sample', 'percent'], percent, '0 to 100 in steps of 0.01');
  }
}

/** For the places where a label is named by a value: `stickBy`, `sample.by`, `hashBy`. */
export function checkLabelKey(key: unknown, path: DocumentPath, problems: ProblemList): void {
  if (typeof key !== 'string' || key === '') return;
  const fault = readLabelKeyFault(key);
  if (fault !== undefined) problems.report(path, key, fault);
}

function checkLabels(labels: unknown, path: DocumentPath, problems: ProblemList): void {
  if (!isRecord(labels)) return;
  const seen = new Set<string>();
  for (const [key, matcher] of Object.entries(labels)) {
    const fault = readLabelKeyFault(key);
    if (fault !== undefined) problems.report([...path, key], note('this key'), fault);
    const lower = key.toLowerCase();
    if (seen.has(lower)) problems.report([...path, key], note('given twice'), 'each key once, whatever its case');
    seen.add(lower);
    if (isRecord(matcher)) checkMatcher(matcher, [...path, key], problems);
  }
}

function checkMatcher(matcher: Readonly<Record<string, unknown>>, path: DocumentPath, problems: ProblemList): void {
  const { regex, range, version, cidr, not } = matcher;
  if (Object.keys(matcher).every((key) => key === 'ignoreCase')) {
    problems.report(path, matcher, 'a condition, such as exact, prefix, in or present');
  }
  // The schema already reports one that is too long.
  if (typeof regex === 'string' && regex.length <= MAX_REGEX_CHARACTERS) {
    const fault = regexFault(regex);
    if (fault !== undefined) problems.report([...path, 'regex'], regex, fault);
  }
  const [from, to, ...more] = listOf(range);
  if (typeof from === 'number' && typeof to === 'number' && more.length === 0 && !(from < to)) {
    problems.report([...path, 'range'], range, '[from, to) with from < to');
  }
  if (
    typeof version === 'string' &&
    version !== '' &&
    version.length <= MAX_VERSION_RANGE_CHARACTERS &&
    !isVersionRange(version)
  ) {
    problems.report([...path, 'version'], version, 'a range such as >=16.2 <18, ^2.1 or 16.x; = for one version');
  }
  for (const [index, block] of (typeof cidr === 'string' ? [cidr] : listOf(cidr)).entries()) {
    if (typeof block !== 'string' || isCidr(block)) continue;
    const at = typeof cidr === 'string' ? [...path, 'cidr'] : [...path, 'cidr', index];
    problems.report(at, block, 'a block such as 10.0.0.0/8 or 2001:db8::/32');
  }
  if (isRecord(not)) checkMatcher(not, [...path, 'not'], problems);
}
