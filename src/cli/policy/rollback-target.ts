import { isRecord } from '../../base/is-record';
import type { StoredEntry, StoredPolicy } from '../../ops/store/history';
import { parseStored } from '../../ops/store/policy-store';
import { canonicalJson } from '../../policy/plain-data';
import { CommandError } from '../command-error';
import { nameOf, readAll, type StoreSession } from '../consul/store-session';

const REVISION = /^(?:[1-9]\d*|[0-9a-f]{4,})$/;

/**
 * Tells service from revision. Where both words could be either, the one that has a history is the service; where both
 * have one, the first.
 */
export async function orderArguments(
  first: string,
  second: string | undefined,
  session: StoreSession,
): Promise<{ readonly service: string; readonly revision: string | undefined }> {
  const asGiven = { service: first, revision: second };
  if (second === undefined) return asGiven;
  const swapped = { service: second, revision: first };
  const [firstFits, secondFits] = [REVISION.test(first), REVISION.test(second)];
  if (!firstFits || !secondFits) return firstFits ? swapped : asGiven;
  if (await hasHistory(first, session)) return asGiven;
  return (await hasHistory(second, session)) ? swapped : asGiven;
}

async function hasHistory(service: string, session: StoreSession): Promise<boolean> {
  const readings = await readAll(session, service);
  return readings.some((reading) => 'stored' in reading && reading.stored.history.length > 0);
}

/**
 * The newest entry before the one in force that says something else, overrides apart: those come and go by themselves. When
 * a rollback put the one in force there, the search begins before the entry that it went back to: the policy that somebody
 * rolled back from is not what a second rollback is for. Throws a CommandError when there is none.
 */
export function entryBefore(stored: StoredPolicy): StoredEntry {
  const { service, history, datacenter } = stored;
  const now = withoutOverride(stored.policy?.text ?? '');
  let at = history.length - 1;
  if (stored.policy !== undefined) {
    // Steps over the entries that all say what is in force, and over what a rollback among them has left.
    while (at >= 0 && contentOf(history[at]) === now) {
      const entry = history[at]?.entry;
      if (entry?.kind === 'rollback') {
        const origin = history.findLastIndex((each, index) => index < at && contentOf(each) === now);
        at = origin === -1 ? at - 1 : origin;
      } else at -= 1;
    }
  }
  for (; at >= 0; at -= 1) {
    const found = history[at];
    const content = contentOf(found);
    if (found !== undefined && content !== undefined && content !== now) return found;
  }
  throw new CommandError(
    1,
    `${service} has no earlier policy in the history of ${nameOf(datacenter)}`,
    `run graylane policy log ${service}`,
  );
}

/** `payments in local: number 7 -> 6, written 2026-11-01T09:00:00Z by alice: canary to 5 %` */
export function describeStep({ service, datacenter, history }: StoredPolicy, { number, entry }: StoredEntry): string {
  const from = history.at(-1)?.number ?? 'none';
  const what = entry === undefined ? '' : `, written ${entry.time} by ${entry.author}: ${entry.message}`;
  return `${service} in ${nameOf(datacenter)}: number ${from} -> ${number}${what}`;
}

function contentOf(stored: StoredEntry | undefined): string | undefined {
  return stored?.entry === undefined ? undefined : withoutOverride(stored.entry.document);
}

/** In a form in which equal documents are equal texts. */
function withoutOverride(text: string): string {
  const value = parseStored(text);
  if (!isRecord(value)) return text;
  const { override: _, ...rest } = value;
  return canonicalJson(rest);
}
