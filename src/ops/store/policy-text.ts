import { isRecord } from '../../base/is-record';
import { sha256 } from '../../base/sha256';
import { compilePolicy } from '../../policy/compile';
import type { PolicyDocument } from '../../policy/document';
import { parseDocumentText } from '../../policy/parse-text';
import { canonicalJson } from '../../policy/plain-data';
import type { Plan } from '../../policy/plan';
import { PolicyError } from '../../policy/policy-error';
import { withoutSignature } from '../../policy/signature';

/** Larger documents are written without line breaks, to stay within what a policy may have. */
const INDENTED_BYTES = 64 * 1024;

/** The text of a document as it is written to Consul. */
export function documentText(document: PolicyDocument): string {
  const indented = `${JSON.stringify(document, null, 2)}\n`;
  return Buffer.byteLength(indented) <= INDENTED_BYTES ? indented : JSON.stringify(document);
}

/** The plan of a stored text, or what is wrong with it. */
export function compileStored(service: string, text: string): Plan | PolicyError {
  try {
    return compilePolicy({ content: text, format: 'json' }, { service, origin: 'kv' });
  } catch (error) {
    if (error instanceof PolicyError) return error;
    throw error;
  }
}

/** A stored text as data; undefined when it is not JSON. */
export function parseStored(text: string): unknown {
  return parseDocumentText(text, 'json').value;
}

/**
 * SHA-256 of what a text says: spacing, the order of keys and the signature do not count. Of the text, if it is no
 * JSON.
 */
export function contentDigest(text: string): string {
  const document = parseStored(text);
  return sha256(isRecord(document) ? canonicalJson(withoutSignature(document)) : text);
}
