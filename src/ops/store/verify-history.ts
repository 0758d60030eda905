import { digestOf, sha256 } from './history-entry';
import type { StoredEntry, StoredPolicy } from './policy-store';

/** One reason not to believe a history. `number` is the entry's, undefined when it is about the whole. */
export interface HistoryProblem {
  readonly number: number | undefined;
  readonly problem: string;
}

/**
 * Finds every trace of a history that was changed afterwards: entries altered, written again, inserted, cut out of the
 * middle or off the old end, and policies put in Consul past it. Whoever may write every entry can write them all anew
 * and cut the newest off; then only a digest noted elsewhere (`expected`, of any entry still kept) tells. Pure.
 */
export function verifyHistory(stored: StoredPolicy, expected?: string): readonly HistoryProblem[] {
  const { history, policy, service } = stored;
  const problems: HistoryProblem[] = [];
  history.forEach((current, position) => {
    for (const problem of problemsOf(current, history[position - 1], service)) {
      problems.push({ number: current.number, problem });
    }
  });
  const last = history.at(-1);
  const oldest = last?.entry?.oldest;
  if (oldest !== undefined && history[0] !== undefined && history[0].number > oldest) {
    const missing = `entries ${oldest} to ${history[0].number - 1} are missing; the newest says that they are kept`;
    problems.push({ number: undefined, problem: missing });
  }
  if (policy !== undefined && last?.entry !== undefined && last.entry.documentDigest !== sha256(policy.text)) {
    const problem = 'the policy in force is not the one of the newest entry: it was written past the history';
    problems.push({ number: undefined, problem });
  }
  if (policy !== undefined && last === undefined) {
    problems.push({ number: undefined, problem: 'there is a policy and no history' });
  }
  if (policy === undefined && last !== undefined) {
    problems.push({ number: undefined, problem: 'there is a history and no policy: the key was deleted' });
  }
  if (expected !== undefined && !history.some(({ entry }) => entry?.digest === expected)) {
    problems.push({ number: undefined, problem: `no entry has the expected digest ${expected}` });
  }
  return problems;
}

function problemsOf(current: StoredEntry, before: StoredEntry | undefined, service: string): readonly string[] {
  const { entry, number } = current;
  if (entry === undefined) return ['what stands there is no history entry'];
  const found: string[] = [];
  if (entry.number !== number) found.push(`says that it is number ${entry.number}`);
  if (entry.service !== service) found.push(`says that it is of ${entry.service}`);
  if (digestOf(entry) !== entry.digest) found.push('altered: its digest is not that of its content');
  if (sha256(entry.document) !== entry.documentDigest) found.push('altered: the document is not the one it was');
  if (current.createIndex !== current.modifyIndex) found.push('written again after it was made');
  if (before === undefined) {
    if (number === 1 && entry.previous !== undefined) found.push('the first, and refers to one before');
    return found;
  }
  if (before.number + 1 !== number) found.push(`follows ${before.number}: those between are missing`);
  else if (before.entry !== undefined && entry.previous !== before.entry.digest) {
    found.push('the entry before is not the one that it was written after');
  }
  if (BigInt(current.createIndex) < BigInt(before.createIndex)) found.push('older in Consul than the entry before');
  return found;
}
