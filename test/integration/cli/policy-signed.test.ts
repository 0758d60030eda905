import { describe, expect, it } from 'vitest';
import { readTrustedKeys, type TrustedKeys } from '../../../src/base/signing-keys';
import type { PolicyDocument } from '../../../src/policy/document';
import { signatureFault } from '../../../src/policy/signature';
import { signingPair } from '../../support/signing';
import { commandWorld, policyOf } from './two-datacenters';

const world = commandWorld();
const ours = signingPair();
const others = signingPair();

async function stored(service: string): Promise<PolicyDocument> {
  return JSON.parse((await world.kv(`graylane/policies/${service}`)) ?? 'null') as PolicyDocument;
}

async function faultOf(service: string, pem = ours.publicPem): Promise<string | undefined> {
  return signatureFault(await stored(service), readTrustedKeys([pem]) as TrustedKeys)?.message;
}

describe('policies that are signed', () => {
  it('are signed by each command that writes, later each time, and lose the signature only when told so', async () => {
    const key = world.file('key.pem', ours.privatePem);
    const keys = world.file('keys.pem', `${others.publicPem}${ours.publicPem}`);
    const strangers = world.file('strangers.pem', others.publicPem);
    const file = world.file('signed.json', policyOf('signed'));
    const more = world.file('more.json', policyOf('signed', 25));

    expect(await world.run(['policy', 'apply', file, '-m', 'first', '--key', key])).toMatchObject({ code: 0 });
    expect(await faultOf('signed')).toBeUndefined();
    const { signature } = await stored('signed');

    // Nothing to write: the same policy, signed by the same key.
    const again = await world.run(['policy', 'apply', file, '-m', 'again', '--key', key]);
    expect(again.stdout).toContain('unchanged');

    const without = await world.run(['policy', 'apply', more, '-m', 'no key']);
    expect(without).toMatchObject({ code: 1 });
    expect(without.stderr).toContain('the policy in Consul is signed, and this one would not be (expected: --key FILE');
    expect((await stored('signed')).signature).toEqual(signature);

    const writes: readonly (readonly string[])[] = [
      ['policy', 'apply', more, '-m', 'more'],
      ['override', 'set', 'signed', '--to', 'stable', '--ttl', '5m', '-m', 'incident', '--force'],
      ['override', 'clear', 'signed'],
      ['policy', 'rollback', 'signed', '1', '--force'],
      ['policy', 'delete', 'signed', '-m', 'given up', '--force'],
    ];
    let before = signature?.at ?? '';
    for (const args of writes) {
      const { code, stderr } = await world.run(args, { env: { GRAYLANE_POLICY_KEY: key } });
      expect([args[1], code, stderr]).toEqual([args[1], 0, expect.anything()]);
      expect([args[1], await faultOf('signed')]).toEqual([args[1], undefined]);
      const at = (await stored('signed')).signature?.at ?? '';
      expect(Date.parse(at)).toBeGreaterThan(Date.parse(before));
      before = at;
    }

    expect(await world.run(['policy', 'log', 'signed', '--verify', '--keys', keys])).toMatchObject({ code: 0 });
    const strange = await world.run(['policy', 'log', 'signed', '--verify', '--keys', strangers]);
    expect(strange.code).toBe(1);
    expect(strange.stdout + strange.stderr).toContain(`signature.key: ${ours.signing.id}`);

    expect(await world.run(['policy', 'apply', file, '-m', 'no more', '--key', 'none'])).toMatchObject({ code: 0 });
    expect((await stored('signed')).signature).toBeUndefined();
  });

  it.each([
    ['a public key', ours.publicPem, 'no key (expected: an Ed25519 private key in PEM)'],
    ['a file that is not there', undefined, 'ENOENT'],
  ])('are not written with %s', async (_, pem, message) => {
    const file = world.file('refused.json', policyOf('refused'));
    const key = pem === undefined ? '/nowhere/key.pem' : world.file('wrong.pem', pem);
    const ended = await world.run(['policy', 'apply', file, '-m', 'x', '--key', key]);
    expect(ended.code).toBe(2);
    expect(ended.stderr).toContain(message);
    expect(ended.stderr).not.toContain('BEGIN');
    expect(await world.kv('graylane/policies/refused')).toBeUndefined();
  });
});
