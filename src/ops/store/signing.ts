import { isRecord } from '../../base/is-record';
import type { SigningKey, TrustedKeys } from '../../base/signing-keys';
import type { PolicyDocument } from '../../policy/document';
import { ownValue } from '../../policy/plain-data';
import { signatureFault, signedAtMs, signedText, withoutSignature } from '../../policy/signature';
import type { HistoryProblem, StoredPolicy } from './history';
import { documentText, parseStored } from './policy-text';

/** How a store signs what it writes: with a key, or `none`, which gives up the signature that is there. */
export type Signing = SigningKey | 'none';

/**
 * The text to write in place of `before`: signed where there is a key. Clients refuse a document that was signed before
 * the one that they have, so the time is later than that of `before`, whatever the clock says. `refused`: the reason
 * why the text may not be written; a signed policy does not lose its signature unasked.
 */
export function signText(
  text: string,
  before: string | undefined,
  signing: Signing | undefined,
  time: Date,
): { readonly text: string } | { readonly refused: string } {
  const document = parseStored(text);
  const lastMs = before === undefined ? undefined : signedAtMs(parseStored(before));
  if (signing === undefined) {
    if (lastMs === undefined || (signedAtMs(document) ?? 0) > lastMs) return { text };
    return {
      refused:
        'the policy in Consul is signed, and this one would not be (expected: --key FILE, or --key none to give it up)',
    };
  }
  const bare = withoutSignature(document as object) as PolicyDocument;
  if (signing === 'none')
    return { text: lastMs === undefined && signedAtMs(document) === undefined ? text : documentText(bare) };
  const by = { key: signing.id, at: new Date(Math.max(time.getTime(), (lastMs ?? 0) + 1)).toISOString() };
  return { text: documentText({ ...bare, signature: { ...by, value: signing.sign(signedText(bare, by)) } }) };
}

/** Would writing the same policy again change who signed it? */
export function needsSigning(text: string, signing: Signing | undefined): boolean {
  if (signing === undefined) return false;
  const key = ownValue(ownValue(parseStored(text), 'signature'), 'key');
  return key !== (signing === 'none' ? undefined : signing.id);
}

/**
 * What is wrong with the signatures of a policy and of each entry of its history. `found` entries were never signed.
 */
export function verifySignatures({ policy, history }: StoredPolicy, trusted: TrustedKeys): readonly HistoryProblem[] {
  const problems: HistoryProblem[] = [];
  const check = (text: string, number: number | undefined): void => {
    const document = parseStored(text);
    const fault = isRecord(document)
      ? signatureFault(document as unknown as PolicyDocument, trusted)?.message
      : 'no document';
    if (fault !== undefined) problems.push({ number, problem: fault });
  };
  for (const { number, entry } of history) {
    if (entry !== undefined && entry.kind !== 'found') check(entry.document, number);
  }
  if (policy !== undefined) check(policy.text, undefined);
  return problems;
}
