import { sleep } from '../../base/sleep';
import type { ChangeKind, HistoryEntry, StoredPolicy } from '../../ops/store/history';
import { documentText, parseStored } from '../../ops/store/policy-text';
import { compilePolicy } from '../../policy/compile';
import type { PolicyDocument } from '../../policy/document';
import type { Plan } from '../../policy/plan';
import { validatePolicy } from '../../policy/validate';
import { consulNextStep } from '../consul/next-step';
import { effectIn } from '../consul/registry-view';
import { meantService, nameOf, orFailure, type StoreSession } from '../consul/store-session';

/** A change that is made to whatever stands in Consul, so that another writer's change at the same moment stays. */
export interface DocumentChange {
  readonly kind: ChangeKind;
  readonly message: string;
  /** True: nothing is written. */
  readonly isPlanned: boolean;
  /** False: harms are only told. */
  readonly isRefusable: boolean;
  /** The next document; undefined: there is nothing to change. A text says why there is none. May be asked again. */
  next(current: PolicyDocument, author: string, time: Date): PolicyDocument | string | undefined;
}

/** What became of the change in one datacenter. */
export interface DocumentChanged {
  readonly service: string;
  readonly datacenter: string;
  readonly outcome: 'written' | 'unchanged' | 'planned' | 'refused';
  readonly document?: PolicyDocument;
  readonly entry?: HistoryEntry;
  readonly reason?: string;
  readonly remarks?: readonly string[];
  /** Consul did not say what stands there. */
  readonly isUnanswered?: true;
}

/** Attempts to write: after a change by another writer the change is made to the new policy. */
const ATTEMPTS = 20;

/** Reads, changes and writes the policy of one service in one datacenter. What cannot be done is in the result. */
export async function changeDocument(
  service: string,
  datacenter: string | undefined,
  change: DocumentChange,
  session: StoreSession,
): Promise<DocumentChanged> {
  const { policies } = session;
  const named = { service, datacenter: nameOf(datacenter) };
  const refused = (reason: string): DocumentChanged => ({ ...named, outcome: 'refused', reason });
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const before = await orFailure(policies.read(service, datacenter));
    if ('failure' in before) {
      const reason = `${before.failure}; ${consulNextStep(before.failure)}`;
      return { ...refused(reason), isUnanswered: true };
    }
    if (before.policy === undefined) {
      const next = await meantService(service, datacenter, session, 'graylane policy apply gives it one');
      return refused(`it has no policy; ${next}`);
    }
    const current = documentOf(before.policy.text, service);
    if (typeof current === 'string') return refused(current);
    const author = await session.author();
    const time = new Date();
    const next = change.next(current, author, time);
    if (next === undefined) return { ...named, outcome: 'unchanged' };
    if (typeof next === 'string') return refused(next);
    const [problem] = validatePolicy(next, { service }).problems;
    if (problem !== undefined) return refused(problem.message);
    const { harms, remarks } = await effectOf(before, current, next, session);
    if (change.isRefusable && harms.length > 0) {
      return refused(`${harms.join('; ')}; choose another, or, if it is meant, --force`);
    }
    const shown = { ...named, remarks: [...harms, ...remarks], document: next };
    if (change.isPlanned) return { ...shown, outcome: 'planned' };
    const { kind, message } = change;
    const outcome = await policies.write({ before, text: documentText(next), kind, author, message, time });
    if (outcome.kind === 'written') return { ...shown, outcome: 'written', entry: outcome.entry };
    if (outcome.kind !== 'lost') return refused(`${outcome.reason}; ${consulNextStep(outcome.reason)}`);
    // A random time, so that writers that lost do not meet again.
    await sleep(Math.random() * 20 * (attempt + 1));
  }
  return refused(`lost the race ${ATTEMPTS} times; try again`);
}

/** The effect on calls. Unreadable instances are only a remark, because an emergency must not wait for them. */
async function effectOf(
  { service, datacenter }: StoredPolicy,
  current: PolicyDocument,
  next: PolicyDocument,
  { connection }: StoreSession,
): Promise<{ readonly harms: readonly string[]; readonly remarks: readonly string[] }> {
  const planOf = (content: PolicyDocument): Plan =>
    compilePolicy({ content, format: 'object' }, { service, origin: 'kv' });
  const judge = effectIn(connection, { service, datacenter }, { tolerant: true });
  const effect = await judge(planOf(current), planOf(next));
  if ('failure' in effect) return { harms: [], remarks: [effect.failure] };
  return { harms: effect.findings.filter(({ isNew }) => isNew).map(({ text }) => text), remarks: effect.remarks };
}

/** The document in force, or why it cannot be changed. */
function documentOf(text: string, service: string): PolicyDocument | string {
  const judged = validatePolicy(parseStored(text), { service });
  if (judged.document === undefined) {
    return `the policy in Consul is not valid: ${judged.problems[0]?.message ?? 'not JSON'}; mend it with graylane policy apply`;
  }
  return judged.document.tombstone === true ? 'it has no policy any more (a tombstone)' : judged.document;
}
