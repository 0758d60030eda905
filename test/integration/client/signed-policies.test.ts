import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createGraylane, type Graylane, type GraylaneOptions, type PolicyDocument } from '../../../src/index';
import { closeAfterEach } from '../../support/closers';
import { type ConsulCluster, startConsul } from '../../support/consul/start';
import { charge, type PaymentsServer, paymentsClient, startPaymentsServer } from '../../support/payments';
import { signingPair } from '../../support/signing';

const KEY = 'graylane/policies/payments';
const [first, second, third] = ['10', '11', '12'].map((hour) => `2026-11-29T${hour}:00:00Z`) as [
  string,
  string,
  string,
];
const closing = closeAfterEach();
const ours = signingPair();
const thief = signingPair();
let consul: ConsulCluster;
let servers: readonly PaymentsServer[];

beforeAll(async () => {
  consul = await startConsul();
  servers = await Promise.all(['stable', 'canary'].map((version) => startPaymentsServer({ name: version, version })));
  for (const { name, host, port, version } of servers) {
    await consul.dc('dc1').register({ name: 'payments', id: name, address: host, port, tags: [version] });
  }
});
afterAll(async () => {
  for (const server of servers) server.kill();
  await consul.stop();
});
beforeEach(() => consul.dc('dc1').deleteKv(KEY));

function policyTo(subset: string, timeoutMs = 5_000): PolicyDocument {
  return {
    schema: 1,
    service: 'payments',
    subsets: { stable: { tags: ['stable'] }, canary: { tags: ['canary'] } },
    default: subset,
    timeoutMs,
  };
}

function put(document: PolicyDocument): Promise<void> {
  return consul.dc('dc1').putKv(KEY, JSON.stringify(document));
}

function open(options: GraylaneOptions = {}): Graylane {
  const logger = { debug() {}, info() {}, warn() {}, error() {} };
  const given = { consul: { address: consul.dc('dc1').address }, policyKeys: [ours.publicPem], logger, ...options };
  return closing(createGraylane(given), (graylane) => graylane.close());
}

async function servedBy(graylane: Graylane): Promise<string> {
  const client = closing(paymentsClient(graylane.target('payments'), graylane.clientOptions()), (one) => one.close());
  return (await charge(client)).version;
}

function rejected(graylane: Graylane): string {
  return graylane.inspect().services[0]?.policy.rejected?.problems[0]?.message ?? '';
}

describe('a client with policyKeys', () => {
  it('goes by what one of its keys signed, and by nothing that a stolen token of Consul can write', async () => {
    await put(ours.sign(policyTo('stable'), second));
    const graylane = open();
    expect(await servedBy(graylane)).toBe('stable');

    const bad: readonly (readonly [PolicyDocument, string])[] = [
      [policyTo('canary'), 'signature: missing'],
      [thief.sign(policyTo('canary'), third), `signature.key: ${thief.signing.id}`],
      [{ ...ours.sign(policyTo('stable'), second), default: 'canary' }, 'signature.value: not made for this document'],
      [
        ours.sign(policyTo('canary'), first),
        'signature.at: 2026-11-29T10:00:00.000Z (expected: 2026-11-29T11:00:00.000Z or later',
      ],
      [{ schema: 1, service: 'payments', tombstone: true }, 'signature: missing'],
    ];
    for (const [document, message] of bad) {
      await put(document);
      await expect.poll(() => rejected(graylane)).toContain(message);
      expect(await servedBy(graylane)).toBe('stable');
    }

    await put(ours.sign(policyTo('canary'), third));
    await expect.poll(() => rejected(graylane)).toBe('');
    expect(await servedBy(graylane)).toBe('canary');
  });

  it('does not take an earlier policy after a tombstone', async () => {
    await put(ours.sign(policyTo('stable'), first));
    const graylane = open();
    expect(await servedBy(graylane)).toBe('stable');
    await put(ours.sign({ schema: 1, service: 'payments', tombstone: true }, third));
    await expect.poll(() => graylane.inspect().services[0]?.policy.origin).toBe('none');
    await put(ours.sign(policyTo('stable'), second));
    await expect.poll(() => rejected(graylane)).toContain('signature.at: 2026-11-29T11:00:00.000Z');
  });

  it('takes no config entries', async () => {
    const graylane = open({ policy: 'chain' });
    const ended = servedBy(graylane).catch((error: Error) => error.message);
    await expect.poll(() => rejected(graylane)).toContain('config entries, which cannot be signed');
    expect(await ended).toContain('no policy is in force');
  });

  it('asks no signature of a policy in code', async () => {
    const graylane = open({ policies: { payments: policyTo('canary') } });
    expect(await servedBy(graylane)).toBe('canary');
  });

  it('takes what the old and the new key signed while both are given', async () => {
    const next = signingPair();
    await put(ours.sign(policyTo('stable'), first));
    const graylane = open({ policyKeys: [ours.publicPem, next.publicPem] });
    expect(await servedBy(graylane)).toBe('stable');
    await put(next.sign(policyTo('canary'), second));
    await expect.poll(() => servedBy(graylane)).toBe('canary');
  });

  it.each([
    ['a private key', [ours.privatePem], 'policyKeys[0]: a private key (expected: an Ed25519 public key in PEM)'],
    ['a text', ours.publicPem, 'policyKeys: a string (expected: a list of public keys in PEM)'],
    ['no key', [], 'policyKeys: a object (expected: a list of public keys in PEM)'],
  ])('refuses %s for keys', (_, policyKeys, message) => {
    expect(() => open({ policyKeys: policyKeys as readonly string[] })).toThrow(message);
  });
});
