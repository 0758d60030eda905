import type { DatacenterState } from '../../../base/instances';
import { shortenMiddle } from '../../../base/shorten';
import { membershipOf } from '../../../policy/membership/membership';
import { decidingPlan } from '../../../policy/membership/snapshot';
import type { PolicyProblem } from '../../../policy/plan';
import type { Service } from '../../state/service';
import type { PageNotice } from './page-view';

const MOST_CHARACTERS = 600;

/** What somebody on call should know of a service, the worst first. */
export function noticesOf(service: Service): readonly PageNotice[] {
  const found = [
    ...ofState(service),
    ...(service.sourceState?.datacenters ?? []).flatMap((each) => ofDatacenter(service, each)),
    ...ofPolicy(service),
    ...ofBreakers(service),
    ...ofFaults(service),
    ...ofInstances(service),
  ];
  const rank = { bad: 0, warn: 1, quiet: 2 };
  return found.sort((a, b) => rank[a.tone] - rank[b.tone]);
}

function ofState(service: Service): PageNotice[] {
  const { snapshot } = service;
  const text = snapshot === undefined ? service.pendingReason() : snapshot.refusal;
  const pending: PageNotice[] = text === undefined ? [] : [{ kind: 'pending', tone: 'bad', text }];
  return service.mode === 'observe' ? [...pending, { kind: 'observe', tone: 'quiet' }] : pending;
}

function ofDatacenter({ clock }: Service, state: DatacenterState): PageNotice[] {
  const { datacenter: about, freshness } = state;
  const notices: PageNotice[] = [];
  if (freshness.kind === 'stale') {
    // Whole seconds of the wall clock, so that it stays the same from one time to the next.
    const sinceMs = Math.round((clock.wallNow() - (clock.now() - freshness.sinceMs)) / 1_000) * 1_000;
    notices.push({ kind: 'stale', tone: 'bad', about, text: freshness.reason, sinceMs });
  } else if (freshness.kind === 'pending') {
    notices.push({ kind: 'unanswered', tone: 'warn', about, text: freshness.reason });
  }
  if (state.isHeld === true) notices.push({ kind: 'held', tone: 'bad', about });
  if (state.isPartial === true) notices.push({ kind: 'partial', tone: 'warn', about });
  if (state.connectOnly) notices.push({ kind: 'connectOnly', tone: 'bad', about });
  const count = state.rejected - (state.duplicates ?? 0);
  if (count > 0) notices.push({ kind: 'rejectedEntries', tone: 'warn', about, count, text: state.faults?.[0] });
  return notices;
}

function ofPolicy(service: Service): PageNotice[] {
  const { policyState, planInForce: plan } = service;
  const notices: PageNotice[] = [];
  const { rejected, failure, isOrphaned } = policyState;
  if (rejected !== undefined) {
    const { index: about, problems } = rejected;
    notices.push({ kind: 'policyRejected', tone: 'bad', about, count: problems.length, text: wordsOf(problems) });
  }
  if (failure !== undefined) notices.push({ kind: 'policyFailure', tone: 'bad', text: failure });
  if (isOrphaned) notices.push({ kind: 'policyOrphaned', tone: 'warn' });
  const override = plan?.override;
  if (override !== undefined && service.clock.wallNow() < override.untilMs) {
    const { decision, untilMs, reason, by } = override;
    const places = decision.datacenters?.join(', ');
    const about = override.datacenterOnly ? places : decision.destination.subset;
    const text = [by, reason].filter((each) => each !== undefined).join(': ') || undefined;
    notices.push({
      kind: 'override',
      tone: 'warn',
      about,
      text,
      untilMs: Number.isFinite(untilMs) ? untilMs : undefined,
    });
  }
  const shortfalls = service.shortfalls();
  if (shortfalls.length > 0) {
    notices.push({ kind: 'shortfall', tone: 'warn', count: shortfalls.length, text: wordsOf(shortfalls) });
  }
  const warnings = plan?.warnings ?? [];
  if (warnings.length > 0) {
    notices.push({ kind: 'warning', tone: 'quiet', count: warnings.length, text: wordsOf(warnings) });
  }
  return notices;
}

function wordsOf(problems: readonly PolicyProblem[]): string {
  return shortenMiddle(problems.map(({ message }) => message).join('; '), MOST_CHARACTERS);
}

function ofBreakers(service: Service): PageNotice[] {
  const notices: PageNotice[] = [];
  for (const { subset, heldForMs, because, isDryRun } of service.guards.views()) {
    if (heldForMs !== undefined) {
      notices.push({ kind: 'guard', tone: isDryRun ? 'warn' : 'bad', about: subset, text: because });
    }
  }
  const open = service.breakers.views().filter(({ state, isEnabled }) => isEnabled && state !== 'closed');
  for (const { key, level, openedBecause } of open) {
    if (level === 'subset') notices.push({ kind: 'subsetBreaker', tone: 'bad', about: key, text: openedBecause });
  }
  const count = open.filter(({ level }) => level === 'endpoint').length;
  if (count > 0) notices.push({ kind: 'endpointBreakers', tone: 'warn', count });
  return notices;
}

function ofFaults(service: Service): PageNotice[] {
  return service.balancer.faults.views().flatMap(({ name, until, state, hitAttempts }) => {
    if (state !== 'in force') return [];
    return { kind: 'fault', tone: 'warn', about: name, count: hitAttempts, untilMs: Date.parse(until) };
  });
}

function ofInstances({ snapshot }: Service): PageNotice[] {
  if (snapshot === undefined) return [];
  const { unassigned } = membershipOf(decidingPlan(snapshot), snapshot.instances);
  if (unassigned.length === 0) return [];
  const text = shortenMiddle(unassigned.map(({ id }) => id).join(', '), MOST_CHARACTERS);
  return [{ kind: 'unassigned', tone: 'warn', count: unassigned.length, text }];
}
