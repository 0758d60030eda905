import { isRecord } from '../../base/is-record';
import { parseTimestamp } from '../override';
import { ownValue } from '../plain-data';
import { type DocumentPath, MISSING, note, type ProblemList } from '../problems';
import { checkLabelKey } from './matches';

/** What a schema cannot say of balancing, retries, breakers, guards and the override. */
export function checkTuning(document: unknown, problems: ProblemList): void {
  checkRetry(ownValue(document, 'retry'), ['retry'], problems);
  checkBalancing(ownValue(document, 'balancing'), problems);
  checkBreakers(document, [], problems);
  const subsets = ownValue(document, 'subsets');
  for (const [name, subset] of isRecord(subsets) ? Object.entries(subsets) : []) {
    checkBreakers(subset, ['subsets', name], problems);
    checkFallbackCap(subset, ['subsets', name], problems);
    checkGuard(name, subset, problems);
  }
  const until = ownValue(ownValue(document, 'override'), 'until');
  if (typeof until === 'string' && until !== '' && parseTimestamp(until) === undefined) {
    problems.report(['override', 'until'], until, 'a time as RFC 3339, such as 2026-12-01T10:00:00Z');
  }
}

export function checkRetry(retry: unknown, path: DocumentPath, problems: ProblemList): void {
  checkOrder(retry, 'initialBackoffMs', 'maxBackoffMs', path, problems);
}

function checkBalancing(balancing: unknown, problems: ProblemList): void {
  const hashBy = ownValue(balancing, 'hashBy');
  const isRing = ownValue(balancing, 'algorithm') === 'ring_hash';
  if (isRing && hashBy === undefined) {
    problems.report(['balancing', 'hashBy'], MISSING, 'the label that places a call on the ring');
  }
  if (!isRing && hashBy !== undefined) {
    problems.report(['balancing', 'hashBy'], hashBy, 'nothing, or algorithm: ring_hash');
  }
  checkLabelKey(hashBy, ['balancing', 'hashBy'], problems);
}

function checkFallbackCap(subset: unknown, path: DocumentPath, problems: ProblemList): void {
  const most = ownValue(subset, 'fallbackMaxPercentage');
  if (most === undefined || ownValue(subset, 'fallback') !== undefined) return;
  problems.report([...path, 'fallbackMaxPercentage'], most, 'nothing, or a fallback beside it');
}

/** It sheds, so there must be a fallback to shed to; and a subset cannot be compared with itself. */
function checkGuard(name: string, subset: unknown, problems: ProblemList): void {
  const guard = ownValue(subset, 'guard');
  if (!isRecord(guard)) return;
  const path = ['subsets', name, 'guard'];
  if (ownValue(subset, 'fallback') === undefined) {
    problems.report(path, note('without a fallback'), 'nothing, or a fallback beside it that takes the calls');
  }
  if (ownValue(guard, 'against') === name) problems.report([...path, 'against'], name, 'another subset');
  checkOrder(guard, 'holdMs', 'maxHoldMs', path, problems);
}

function checkBreakers(holder: unknown, path: DocumentPath, problems: ProblemList): void {
  const least = 'resetTimeoutMs';
  const most = 'maxResetTimeoutMs';
  checkOrder(ownValue(holder, 'breaker'), least, most, [...path, 'breaker'], problems);
  const subsetBreaker = ownValue(holder, 'subsetBreaker');
  checkOrder(subsetBreaker, least, most, [...path, 'subsetBreaker'], problems);
}

/** Only where both are written: a bound that was left out gives way to the one that was not. */
function checkOrder(holder: unknown, least: string, most: string, path: DocumentPath, problems: ProblemList): void {
  const from = ownValue(holder, least);
  const to = ownValue(holder, most);
  if (typeof from === 'number' && typeof to === 'number' && from > to) {
    problems.report([...path, most], to, `>= ${least}, which is ${from}`);
  }
}
