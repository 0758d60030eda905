import { canonicalJson } from './plain-data';
import { sha256 } from './sha256';
import { withoutSignature } from './signature';

/** 48 bits: two of a million documents share a revision with a probability of 0.2 %. */
const DIGITS = 12;

/**
 * Names the content of a document: equal content has an equal revision, whatever the order of its keys. Twelve
 * hexadecimal digits of SHA-256 over its canonical JSON. A signature is not part of the content.
 */
export function revisionOf(document: object): string {
  return sha256(canonicalJson(withoutSignature(document))).slice(0, DIGITS);
}
