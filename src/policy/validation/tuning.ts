import { parseTimestamp } from '../override';
import { type DocumentPath, MISSING, note, type ProblemList } from '../problems';
import type { CheckedPolicy } from './checked';
import { checkLabelKey } from './matches';

/** What a schema cannot say of retries, balancing, breakers, guards, the override and locality. */
export function checkTuning(document: CheckedPolicy, problems: ProblemList): void {
  const { retry, balancing = {}, subsets = {}, override, locality } = document;
  /** Only where both are written: a bound that was left out gives way to the one that was not. */
  const checkOrder = (holder: unknown, least: string, most: string, ...path: DocumentPath): void => {
    const { [least]: from, [most]: to } = (holder ?? {}) as Readonly<Record<string, unknown>>;
    if (typeof from === 'number' && typeof to === 'number' && from > to) {
      problems.report([...path, most], to, `>= ${least}, which is ${from}`);
    }
  };
  const RESET = ['resetTimeoutMs', 'maxResetTimeoutMs'] as const;
  const BACKOFF = ['initialBackoffMs', 'maxBackoffMs'] as const;

  checkOrder(retry, ...BACKOFF, 'retry');
  document.routes?.forEach((route, index) => {
    checkOrder(route?.retry, ...BACKOFF, 'routes', index, 'retry');
  });
  const isRing = balancing.algorithm === 'ring_hash';
  if (isRing && !('hashBy' in balancing)) {
    problems.report(['balancing', 'hashBy'], MISSING, 'the label that places a call on the ring');
  }
  if (!isRing && balancing.hashBy !== undefined) {
    problems.report(['balancing', 'hashBy'], balancing.hashBy, 'nothing, or algorithm: ring_hash');
  }
  checkLabelKey(balancing.hashBy, ['balancing', 'hashBy'], problems);
  checkOrder(document.breaker, ...RESET, 'breaker');
  checkOrder(document.subsetBreaker, ...RESET, 'subsetBreaker');
  for (const [name, subset] of Object.entries(subsets)) {
    const path = ['subsets', name];
    const { guard, fallbackMaxPercentage: most } = subset ?? {};
    const hasFallback = subset !== undefined && 'fallback' in subset;
    checkOrder(subset?.breaker, ...RESET, ...path, 'breaker');
    checkOrder(subset?.subsetBreaker, ...RESET, ...path, 'subsetBreaker');
    if (most !== undefined && !hasFallback) {
      problems.report([...path, 'fallbackMaxPercentage'], most, 'nothing, or a fallback beside it');
    }
    if (guard === undefined) continue;
    // It sheds, so there must be a fallback to shed to; and a subset cannot be compared with itself.
    if (!hasFallback) {
      problems.report(
        [...path, 'guard'],
        note('without a fallback'),
        'nothing, or a fallback beside it that takes the calls',
      );
    }
    if (guard.against === name) problems.report([...path, 'guard', 'against'], name, 'another subset');
    checkOrder(guard, 'holdMs', 'maxHoldMs', ...path, 'guard');
  }
  const until = override?.until;
  if (until !== undefined && until !== '' && parseTimestamp(until) === undefined) {
    problems.report(['override', 'until'], until, 'a time as RFC 3339, such as 2026-12-01T10:00:00Z');
  }
  // A schema that says so compares every object with every other.
  const failover = (locality?.failover ?? []).filter((place) => place !== undefined);
  const places = new Set(failover.map((place) => (typeof place === 'object' ? `peer ${place.peer}` : place)));
  if (places.size < failover.length) {
    problems.report(['locality', 'failover'], locality?.failover, 'none given twice');
  }
  const clients = locality?.zoneClients;
  if (clients === undefined) return;
  const path = ['locality', 'zoneClients'];
  if (locality?.zones !== 'prefer') {
    problems.report(path, note('without zones: prefer'), 'nothing, or zones: prefer beside it');
  }
  const counts = Object.values(clients);
  if (counts.length > 0 && counts.every((count) => count === 0)) {
    problems.report(path, note('all 0'), 'a zone with > 0');
  }
}
