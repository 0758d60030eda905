import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto';
import { sha256 } from './sha256';

/** Ed25519, as `openssl genpkey -algorithm ed25519` makes them. */
const TYPE = 'ed25519';

export interface SigningKey {
  /** See {@link keyId}. */
  readonly id: string;
  /** The signature of a text, base64. */
  sign(text: string): string;
}

/** Public keys that are trusted. */
export interface TrustedKeys {
  /** Their IDs, in the given order. */
  readonly keys: readonly string[];
  /** False for a key that is not trusted, and for a signature that is no base64. Never throws. */
  verify(key: string, text: string, signature: string): boolean;
}

/** Reads a private key in PEM. Returns what is wrong with it where it is none. */
export function readSigningKey(pem: string): SigningKey | string {
  const key = readKey(pem, createPrivateKey, 'private');
  if (typeof key === 'string') return key;
  const id = keyId(createPublicKey(key));
  return { id, sign: (text) => sign(null, Buffer.from(text), key).toString('base64') };
}

/** Reads public keys in PEM. Returns what is wrong with the first that is none, with its place in the list. */
export function readTrustedKeys(pems: readonly string[]): TrustedKeys | string {
  const keys = new Map<string, KeyObject>();
  for (const [index, pem] of pems.entries()) {
    const key = readKey(pem, createPublicKey, 'public');
    if (typeof key === 'string') return `[${index}]: ${key}`;
    keys.set(keyId(key), key);
  }
  return {
    keys: [...keys.keys()],
    verify(id, text, signature) {
      const key = keys.get(id);
      return key !== undefined && verify(null, Buffer.from(text), key, Buffer.from(signature, 'base64'));
    },
  };
}

/** Names a public key: the first 16 hexadecimal digits of the SHA-256 of its DER form (SPKI). */
function keyId(key: KeyObject): string {
  return sha256(key.export({ type: 'spki', format: 'der' })).slice(0, 16);
}

/** Of the text nothing is shown: it may be a private key. */
function readKey(pem: string, read: (pem: string) => KeyObject, kind: 'private' | 'public'): KeyObject | string {
  const expected = `expected: an Ed25519 ${kind} key in PEM`;
  // Node derives the public key from a private one; a client that holds the private key was set up wrong.
  if (kind === 'public' && pem.includes('PRIVATE KEY')) return `a private key (${expected})`;
  try {
    const key = read(pem);
    return key.asymmetricKeyType === TYPE ? key : `a key of type ${key.asymmetricKeyType} (${expected})`;
  } catch {
    return `no key (${expected})`;
  }
}
