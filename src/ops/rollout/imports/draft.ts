import { SHORT_NAME } from '../../../policy/schema-parts';
import type { ImportLoss, ImportReport, PlaceReport } from '../../imports/report';
import { ConditionError, parseCondition } from '../analysis/condition';
import type { CheckDocument, RolloutDocument, RolloutStep } from '../document';
import type { GateDocument } from '../gates/gate-document';
import { validateRollout } from '../validate';

/** The subsets of the policy that the rollout is of. */
export interface SubsetNames {
  readonly canary: string;
  readonly stable: string;
}

export interface ImportedRollout {
  readonly service: string;
  /** Undefined: nothing is left that could be a rollout. */
  readonly document: RolloutDocument | undefined;
  /** Every field that is not in the document, by its place. */
  readonly losses: readonly ImportLoss[];
  readonly notes: readonly string[];
}

/** What a name of the rollout stands for, in the controller's file. */
type NeedKind = 'providers' | 'hooks' | 'gates';

/** A rollout while it is put together from rules of another system. */
export class RolloutDraft {
  readonly steps: RolloutStep[] = [];
  readonly gates: GateDocument[] = [];
  readonly notify: string[] = [];
  analysis: NonNullable<RolloutDocument['analysis']> = {};
  readonly #needs = new Map<string, string>();

  /** A name of the controller's file; `what` says what stands behind it. Two that differ have two names. */
  need(kind: NeedKind, wanted: string, what: string): string {
    const base = plainName(wanted);
    for (let number = 1; ; number += 1) {
      const name = number === 1 ? base : plainName(`${base.slice(0, 60)}-${number}`);
      const key = `${kind}: ${name}`;
      const known = this.#needs.get(key);
      if (known === undefined) this.#needs.set(key, what);
      if (known === undefined || known === what) return name;
    }
  }

  /** Asks a gate where it is not asked already. */
  addGate(gate: GateDocument): void {
    if (!this.gates.some((each) => each.gate === gate.gate && each.when === gate.when)) this.gates.push(gate);
  }

  addHook(name: string): void {
    if (!this.notify.includes(name)) this.notify.push(name);
  }

  /** The document, judged as one that a person wrote: what is wrong with it is told, and then there is none. */
  finish(service: string, { canary, stable }: SubsetNames, report: ImportReport): ImportedRollout {
    if (!this.steps.some((step) => 'setWeight' in step && step.setWeight > 0)) this.steps.push({ setWeight: 100 });
    const { gates, notify, analysis, steps } = this;
    const draft: RolloutDocument = {
      ...{ schema: 1, service, canary, stable, steps, onSuccess: 'promote' },
      ...(Object.keys(analysis).length === 0 ? {} : { analysis }),
      ...(notify.length === 0 ? {} : { notify }),
      ...(gates.length === 0 ? {} : { gates }),
    };
    const { problems, document } = validateRollout(draft);
    for (const { path, message } of problems) {
      // A message begins with the path.
      report.loss(undefined, path === '' ? 'rollout' : path, [], message.slice(message.indexOf(': ') + 2));
    }
    report.note(`the policy of ${service} needs subsets ${canary} and ${stable}`);
    for (const [key, what] of this.#needs) report.note(`the controller's file needs ${key} (${what})`);
    return { service, document, losses: report.losses, notes: report.notes };
  }
}

/** A field that its author wrote: 0 and false are values. */
export function isGiven(value: unknown): boolean {
  return value !== undefined && value !== null;
}

/** A name as rollouts have it. */
export function plainName(text: string): string {
  const plain = text.replace(/[^A-Za-z0-9_.-]+/g, '-').replace(/^[.-]+/, '');
  return SHORT_NAME.test(plain) ? plain : plain.slice(0, 64) || 'unnamed';
}

/** An analysis has each check once; of two with a name the second is told, and left out. */
export function withoutDoubles<T extends CheckDocument>(
  checks: readonly T[],
  path: string,
  report: PlaceReport,
): readonly T[] {
  const seen = new Set<string>();
  return checks.filter((check) => {
    const key = check.check === 'value' ? check.name : `${check.check} ${'quantile' in check ? check.quantile : ''}`;
    const isNew = !seen.has(key);
    seen.add(key);
    if (!isNew) report.cannot(path, `a second check ${key.trim()}; left out`);
    return isNew;
  });
}

/** The condition as rollouts have it; undefined, and told, where it says what they cannot. */
export function readCondition(text: string, path: string, report: PlaceReport): string | undefined {
  const plain = text
    .replace(/\bresult\[0\]/g, 'result')
    .replace(/\bas(?:Float|Int)\(\s*result\s*\)/g, 'result')
    .trim();
  try {
    parseCondition(plain);
    return plain;
  } catch (error) {
    if (!(error instanceof ConditionError)) throw error;
    report.cannot(path, `${JSON.stringify(text)} (expected: ${error.message}); its check is left out`);
    return undefined;
  }
}

const UNITS_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const LONGEST_MS = 2_147_483_647;

/** `90s`, `1m30s`, or whole seconds as a number or a text; in milliseconds. Undefined, and told, for anything else. */
export function readDuration(value: unknown, path: string, report: PlaceReport): number | undefined {
  if (value === undefined || value === null) return undefined;
  const text = String(value).trim();
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|[smhd])/g)];
  const isWhole = parts.length > 0 && parts.map(([part]) => part).join('') === text;
  const ms = /^\d+$/.test(text)
    ? Number(text) * 1_000
    : isWhole
      ? parts.reduce((sum, [, count, unit]) => sum + Number(count) * (UNITS_MS[unit ?? ''] ?? 0), 0)
      : Number.NaN;
  if (ms >= 1 && ms <= LONGEST_MS) return Math.round(ms);
  report.cannot(path, `${report.written(path, value)} (expected: a duration such as 90s or 10m)`);
  return undefined;
}
