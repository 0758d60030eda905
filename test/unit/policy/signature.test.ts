import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { readSigningKey, readTrustedKeys, type TrustedKeys } from '../../../src/base/signing-keys';
import { compilePolicy } from '../../../src/policy/compile';
import type { PolicyDocument } from '../../../src/policy/document';
import { PolicyError } from '../../../src/policy/policy-error';
import { type SigningPair, signingPair } from '../../support/signing';

const AT = '2026-11-29T10:00:00Z';
const [ours, others] = [signingPair(), signingPair()];
const document: PolicyDocument = {
  schema: 1,
  service: 'payments',
  subsets: { stable: { tags: ['stable'] }, canary: { tags: ['canary'], fallback: 'stable' } },
  default: 'stable',
  routes: [{ name: 'testers', match: { labels: { 'x-gray': 'canary' } }, to: 'canary' }],
};

describe('a signed policy', () => {
  it('is taken by a client that trusts the key, whatever the order of its keys', () => {
    const signed = signWith(ours, document);
    expect(faultOf(signed)).toBeUndefined();
    expect(faultOf(Object.fromEntries(Object.entries(signed).reverse()))).toBeUndefined();
    expect(compilePolicy({ content: JSON.stringify(signed, null, 4), format: 'json' }, options()).service).toBe(
      'payments',
    );
  });

  it('has the revision of the same policy without a signature', () => {
    const plain = compilePolicy({ content: document, format: 'object' }, { service: 'payments', origin: 'kv' });
    const signed = signWith(ours, document);
    expect(compilePolicy({ content: signed, format: 'object' }, options()).revision).toBe(plain.revision);
  });

  it.each([
    ['no signature', () => document, 'signature: missing'],
    ['an unknown key', () => signWith(others, document), `signature.key: ${others.signing.id}`],
    [
      'another weight',
      () => ({ ...signWith(ours, document), timeoutMs: 5 }),
      'signature.value: not made for this document',
    ],
    [
      'another time',
      () => withSignature({ at: '2027-01-01T00:00:00Z' }),
      'signature.value: not made for this document',
    ],
    ['no time', () => withSignature({ at: 'now' }), 'signature.at: "now"'],
    [
      "another key's ID",
      () => ({
        ...signWith(others, document),
        signature: { ...signWith(others, document).signature, key: ours.signing.id },
      }),
      'signature.value: not made for this document',
    ],
    ['no base64', () => withSignature({ value: 'x' }), 'signature.value: "x"'],
    [
      'a signature of another service',
      () => ({ ...signWith(ours, { ...document, service: 'orders' }), service: 'payments' }),
      'signature.value: not made for this document',
    ],
  ] as const)('is refused with %s', (_, make, message) => {
    expect(faultOf(make())).toContain(message);
  });

  it('is taken while an old key and a new one are both trusted', () => {
    const both = readTrustedKeys([ours.publicPem, others.publicPem]) as TrustedKeys;
    expect(faultOf(signWith(ours, document), both)).toBeUndefined();
    expect(faultOf(signWith(others, document), both)).toBeUndefined();
  });

  it('is no different from others for a client without keys', () => {
    const forged = { ...signWith(ours, document), timeoutMs: 5 };
    expect(compilePolicy({ content: forged, format: 'object' }, { service: 'payments', origin: 'kv' }).service).toBe(
      'payments',
    );
  });

  it('covers a tombstone', () => {
    const tombstone: PolicyDocument = { schema: 1, service: 'payments', tombstone: true };
    expect(faultOf(tombstone)).toContain('signature: missing');
    expect(faultOf(signWith(ours, tombstone))).toBeUndefined();
  });
});

describe('keys', () => {
  it.each([
    ['a private key', ours.privatePem, '[0]: a private key (expected: an Ed25519 public key in PEM)'],
    ['another type', rsaPublicKey(), '[0]: a key of type rsa (expected: an Ed25519 public key in PEM)'],
    ['no key', 'secret', '[0]: no key (expected: an Ed25519 public key in PEM)'],
  ])('to trust: %s is refused, and not shown', (_, pem, message) => {
    expect(readTrustedKeys([pem])).toBe(message);
  });

  it('to sign with: a public key is refused', () => {
    expect(readSigningKey(ours.publicPem)).toBe('no key (expected: an Ed25519 private key in PEM)');
  });
});

function rsaPublicKey(): string {
  const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 1_024 });
  return publicKey.export({ type: 'spki', format: 'pem' }).toString();
}

function signWith(pair: SigningPair, policy: PolicyDocument): PolicyDocument {
  return pair.sign(policy, AT);
}

function withSignature(change: object): unknown {
  const signed = signWith(ours, document);
  return { ...signed, signature: { ...signed.signature, ...change } };
}

function options(trusted: TrustedKeys = readTrustedKeys([ours.publicPem]) as TrustedKeys) {
  return { service: 'payments', origin: 'kv', signed: trusted } as const;
}

function faultOf(content: unknown, trusted?: TrustedKeys): string | undefined {
  try {
    compilePolicy({ content: content as object, format: 'object' }, options(trusted));
    return undefined;
  } catch (error) {
    return error instanceof PolicyError ? error.message : String(error);
  }
}
