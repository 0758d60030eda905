import type { PolicyDocument } from '../../policy/document';
import { parseTimestamp } from '../../policy/override';
import { judgeDocument } from '../../policy/validate';
import { sha256 } from '../store/history-entry';
import { parseStored, type StoredPolicy } from '../store/policy-store';
import type { WrittenPolicy } from './record';

/** How the policy in Consul stands to the one that the rollout knows. */
export type PolicyStanding =
  | { readonly kind: 'own'; readonly document: PolicyDocument }
  /** Somebody else has changed it; it is valid all the same. */
  | { readonly kind: 'changed'; readonly document: PolicyDocument; readonly message: string }
  /** Gone, or not valid. */
  | { readonly kind: 'invalid'; readonly message: string };

/** Pure but for the wall clock that is handed in. */
export function standingOf(stored: StoredPolicy, known: WrittenPolicy | undefined, wallNowMs: number): PolicyStanding {
  const { service, policy, history } = stored;
  if (policy === undefined) {
    const message = history.length === 0 ? `${service} has no policy` : `the policy of ${service} is gone`;
    return { kind: 'invalid', message };
  }
  const { document, problems } = judgeDocument(parseStored(policy.text), { service });
  if (document === undefined) {
    return { kind: 'invalid', message: `the policy in Consul is not valid: ${problems[0]?.message ?? 'not JSON'}` };
  }
  if (document.tombstone === true)
    return { kind: 'invalid', message: `${service} has no policy any more (a tombstone)` };
  const digest = sha256(policy.text);
  if (known === undefined || digest === known.digest) return { kind: 'own', document };
  const override = overrideInForce(document, wallNowMs);
  const last = history.at(-1)?.entry;
  const who =
    last?.documentDigest === digest
      ? `${last.author} wrote number ${last.number} (${JSON.stringify(last.message)})`
      : 'it was written past the history';
  const what = override === undefined ? 'the policy was changed' : override;
  return { kind: 'changed', document, message: `${what}: ${who}` };
}

/** A sentence about the override that is in force, undefined without one. */
export function overrideInForce({ override }: PolicyDocument, wallNowMs: number): string | undefined {
  if (override === undefined) return undefined;
  const until = parseTimestamp(override.until);
  if (until === undefined || until <= wallNowMs) return undefined;
  const target = [override.to, override.datacenter].filter((part) => part !== undefined).join(' in ');
  return `an override to ${target} is in force until ${override.until}`;
}
