import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';
import { canonicalJson } from './plain-data';
import { withoutSignature } from './signature';

/** 48 bits: two of a million documents share a revision with a probability of 0.2 %. */
const DIGITS = 12;

/** Of Node's `crypto`, which this room must not import: it runs in a browser, too. */
interface NodeCrypto {
  createHash(name: 'sha256'): { update(text: string): { digest(form: 'hex'): string } };
}
const { process } = globalThis as { process?: { getBuiltinModule?(name: 'node:crypto'): NodeCrypto } };
const nodeCrypto = process?.getBuiltinModule?.('node:crypto');

/**
 * Names the content of a document: equal content has an equal revision, whatever the order of its keys. Twelve
 * hexadecimal digits of SHA-256 over its canonical JSON. A signature is not part of the content.
 */
export function revisionOf(document: object): string {
  return sha256Of(canonicalJson(withoutSignature(document))).slice(0, DIGITS);
}

/** Node's own where there is one: it is loaded already, and a first policy is read in a millisecond less. */
function sha256Of(text: string): string {
  if (nodeCrypto !== undefined) return nodeCrypto.createHash('sha256').update(text).digest('hex');
  return bytesToHex(sha256(utf8ToBytes(text)));
}
