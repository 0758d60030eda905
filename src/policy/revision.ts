import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';
import { canonicalJson } from './plain-data';
import { withoutSignature } from './signature';

/** 48 bits: two of a million documents share a revision with a probability of 0.2 %. */
const BYTES = 6;

/**
 * Names the content of a document: equal content has an equal revision, whatever the order of its keys. Twelve
 * hexadecimal digits of SHA-256 over its canonical JSON. A signature is not part of the content.
 */
export function revisionOf(document: object): string {
  return bytesToHex(sha256(utf8ToBytes(canonicalJson(withoutSignature(document)))).subarray(0, BYTES));
}
