import { CLIENTS } from '../config/controller-config';
import type { RolloutDocument, ValueCheck } from '../document';
import { parseCondition } from './condition';
import { measureRollout } from './measure-rollout';
import type { Reach } from './requests';
import { resolveAnalysis } from './settings';
import type { MeasuredValue, MeasureRequest } from './subset-metrics';
import { formatCount } from './verdict';

/** What a provider yields now, asked as an analysis would ask it. */
export interface Yield {
  /** `provider metrics`, or `value queue`. */
  readonly what: string;
  /** `canary 12, stable 14`. */
  readonly yields: string;
  /** Why the check that asks for it could not be judged: no answer, or none of what its condition names. */
  readonly fault?: string;
}

/**
 * Asks each provider of a rollout once, over the time of one interval until now, and says what it yields. For people
 * who write a rollout: a query that yields nothing, or a webhook that does not answer what a condition names, is seen
 * before the rollout begins. Asks no client, and changes nothing. Never rejects.
 */
export async function tryProviders(document: RolloutDocument, reach: Reach, nowMs: number): Promise<readonly Yield[]> {
  const { service, canary, stable, steps } = document;
  const analyses = [
    resolveAnalysis(document),
    ...steps.flatMap((step) => ('analysis' in step ? [resolveAnalysis(document, step.analysis)] : [])),
  ];
  const all = analyses.flatMap(({ checks }) => checks);
  const values = new Map(
    all.flatMap((check) => (check.check === 'value' ? [[JSON.stringify(check), check] as const] : [])),
  );
  const sinceMs = nowMs - (analyses[0]?.intervalMs ?? 0);
  const request: MeasureRequest = { service, canary, stable, sinceMs, nowMs };
  const provider = document.analysis?.provider ?? CLIENTS;
  const asksCalls = provider !== CLIENTS && all.some(({ check }) => check !== 'value');
  return Promise.all([
    ...(asksCalls ? [tryCalls(document, provider, request, reach)] : []),
    ...[...values.values()].map((check) => tryValue(document, check, request, reach)),
  ]);
}

async function tryCalls(
  document: RolloutDocument,
  provider: string,
  request: MeasureRequest,
  reach: Reach,
): Promise<Yield> {
  const what = `provider ${provider}`;
  const measured = await measureRollout(document, request, reach);
  if ('error' in measured) return { what, yields: '', fault: measured.error };
  const of = (subset: 'canary' | 'stable'): string =>
    `${subset} ${formatCount(measured[subset]?.calls ?? 0)} calls, ${formatCount(measured[subset]?.failures ?? 0)} failed`;
  return { what, yields: `${of('canary')}; ${of('stable')}` };
}

async function tryValue(
  document: RolloutDocument,
  check: ValueCheck,
  request: MeasureRequest,
  reach: Reach,
): Promise<Yield> {
  const what = `value ${check.name}`;
  // The figures of calls come from elsewhere; here only this one is asked for.
  const { provider: _, failureStatusCodes: __, ...analysis } = document.analysis ?? {};
  const measured = await measureRollout({ ...document, analysis }, { ...request, checks: [check] }, reach);
  const value: MeasuredValue = 'error' in measured ? measured : (measured.values?.[check.name] ?? { error: 'nothing' });
  if ('error' in value) return { what, yields: '', fault: value.error };
  const figures = Object.entries(value).map(([name, figure]) => `${name} ${Number(figure.toPrecision(6))}`);
  const yields = figures.join(', ');
  const conditions = [check.successCondition, check.failureCondition].filter((text) => text !== undefined);
  const missing = conditions
    .flatMap((text) => [...parseCondition(text).names])
    .filter((name) => !Number.isFinite(value[name]));
  if (missing.length === 0) return { what, yields };
  const fault = `yields ${yields} (expected: also a finite ${[...new Set(missing)].join(', ')}, which the condition names)`;
  return { what, yields, fault };
}
