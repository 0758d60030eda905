import type { PolicyDocument, SignatureDocument } from './document';
import { parseTimestamp } from './override';
import { canonicalJson, ownValue } from './plain-data';
import type { PolicyProblem } from './plan';

/** What a signature must be to count: found by `key`, and right for the text. Never throws. */
export interface SignatureCheck {
  /** IDs of the keys that may sign, for messages. */
  readonly keys: readonly string[];
  /** Is `value` (base64) the signature of `text` by the key with this ID? */
  verify(key: string, text: string, value: string): boolean;
}

/** The text that is signed: the canonical JSON of the document, with its signature except for the value. */
export function signedText(document: PolicyDocument, by: Pick<SignatureDocument, 'key' | 'at'>): string {
  return canonicalJson({ ...document, signature: { key: by.key, at: by.at } });
}

/** Why a document does not count as signed; undefined when it does. */
export function signatureFault(document: PolicyDocument, check: SignatureCheck): PolicyProblem | undefined {
  const expected = `one by ${check.keys.join(' or ')}, a key of policyKeys`;
  const { signature } = document;
  if (signature === undefined) return problem('signature', 'missing', expected);
  if (!check.keys.includes(signature.key)) return problem('signature.key', signature.key, expected);
  if (parseTimestamp(signature.at) === undefined) {
    return problem('signature.at', JSON.stringify(signature.at), 'a time such as 2026-12-01T10:00:00Z');
  }
  if (check.verify(signature.key, signedText(document, signature), signature.value)) return undefined;
  return problem('signature.value', 'not made for this document', expected);
}

/** When a document, or that of a plan, was signed, in milliseconds since the epoch; undefined without a signature. */
export function signedAtMs(document: unknown): number | undefined {
  const at = ownValue(ownValue(document, 'signature'), 'at');
  return typeof at === 'string' ? parseTimestamp(at) : undefined;
}

/** The document without its signature: what two documents are compared by. */
export function withoutSignature(document: object): object {
  const { signature: _, ...rest } = document as PolicyDocument;
  return rest;
}

function problem(path: string, found: string, expected: string): PolicyProblem {
  return { path, message: `${path}: ${found} (expected: ${expected})` };
}
