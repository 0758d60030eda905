import { generateKeyPairSync } from 'node:crypto';
import { readSigningKey, type SigningKey } from '../../src/base/signing-keys';
import type { PolicyDocument } from '../../src/policy/document';
import { signedText } from '../../src/policy/signature';

/** A key pair of a test's own. */
export interface SigningPair {
  readonly privatePem: string;
  readonly publicPem: string;
  readonly signing: SigningKey;
  /** The document with a signature; `at` is RFC 3339. */
  sign(document: PolicyDocument, at: string): PolicyDocument;
}

export function signingPair(): SigningPair {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const privatePem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  const signing = readSigningKey(privatePem);
  if (typeof signing === 'string') throw new Error(signing);
  return {
    privatePem,
    publicPem: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
    signing,
    sign(document, at) {
      const by = { key: signing.id, at };
      return { ...document, signature: { ...by, value: signing.sign(signedText(document, by)) } };
    },
  };
}
