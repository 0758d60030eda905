import { type DocumentPath, MISSING, note, type ProblemList } from '../problems';
import type { CheckedPolicy } from './checked';
import { checkFailover } from './destinations';
import { checkLabelKey } from './matches';
import { checkTime } from './values';

/** What a schema cannot say of retries, breakers, balancing, locality and the override. */
export function checkTuning(document: CheckedPolicy, problems: ProblemList): void {
  const { retry, routes = [], balancing, locality, override } = document;
  if (retry !== undefined) checkOrder(retry, 'initialBackoffMs', 'maxBackoffMs', ['retry'], problems);
  for (const [index, route] of routes.entries()) {
    if (route?.retry === undefined) continue;
    checkOrder(route.retry, 'initialBackoffMs', 'maxBackoffMs', ['routes', index, 'retry'], problems);
  }
  checkBreakers(document, [], problems);
  if (balancing !== undefined) checkBalancing(balancing, ['balancing'], problems);
  if (locality !== undefined) checkLocality(locality, problems);
  checkTime(override?.until, ['override', 'until'], problems);
}

type Breakers = Pick<CheckedPolicy, 'breaker' | 'subsetBreaker'>;

/** Of the policy, or of one subset. */
export function checkBreakers(holder: Breakers, path: DocumentPath, problems: ProblemList): void {
  for (const key of ['breaker', 'subsetBreaker'] as const) {
    const breaker = holder[key];
    if (breaker === undefined) continue;
    checkOrder(breaker, 'resetTimeoutMs', 'maxResetTimeoutMs', [...path, key], problems);
  }
}

/** Only where both are written: a bound that was left out gives way to the one that was not. */
export function checkOrder(
  holder: object | string,
  least: string,
  most: string,
  path: DocumentPath,
  problems: ProblemList,
): void {
  const { [least]: from, [most]: to } = holder as Readonly<Record<string, unknown>>;
  if (typeof from === 'number' && typeof to === 'number' && from > to) {
    problems.report([...path, most], to, `>= ${least}, which is ${from}`);
  }
}

type Balancing = Pick<NonNullable<CheckedPolicy['balancing']>, 'algorithm' | 'hashBy'>;

/** Of the policy, or of one subset. */
export function checkBalancing(balancing: Balancing, holder: DocumentPath, problems: ProblemList): void {
  const path = [...holder, 'hashBy'];
  const isRing = balancing.algorithm === 'ring_hash';
  if (isRing && !('hashBy' in balancing)) {
    problems.report(path, MISSING, 'the label that places a call on the ring');
  }
  if (!isRing && balancing.hashBy !== undefined) {
    problems.report(path, balancing.hashBy, 'nothing, or algorithm: ring_hash');
  }
  checkLabelKey(balancing.hashBy, path, problems);
}

function checkLocality(locality: NonNullable<CheckedPolicy['locality']>, problems: ProblemList): void {
  // A schema that says so compares every object with every other.
  if (locality.failover !== undefined) checkFailover(locality.failover, ['locality', 'failover'], problems);
  const clients = locality.zoneClients;
  if (clients === undefined) return;
  const path = ['locality', 'zoneClients'];
  if (locality.zones !== 'prefer') {
    problems.report(path, note('without zones: prefer'), 'nothing, or zones: prefer beside it');
  }
  const counts = Object.values(clients);
  if (counts.length > 0 && counts.every((count) => count === 0)) {
    problems.report(path, note('all 0'), 'a zone with > 0');
  }
}
