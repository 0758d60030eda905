import { describe, expect, it } from 'vitest';
import { readTrustedKeys, type TrustedKeys } from '../../../src/base/signing-keys';
import { reconcile } from '../../../src/ops/rollout/reconcile';
import { createPolicyStore } from '../../../src/ops/store/policy-store';
import { parseStored } from '../../../src/ops/store/policy-text';
import { verifySignatures } from '../../../src/ops/store/signing';
import { signedAtMs } from '../../../src/policy/signature';
import { signingPair } from '../../support/signing';
import { applied, rolloutWorld } from './rollout-world';

const world = rolloutWorld();
const ours = signingPair();

describe('a rollout of a signed policy', () => {
  it('signs each policy that it writes, and does not take its own for a change by hand', async () => {
    const signed = createPolicyStore({ client: world.client, signing: ours.signing });
    await world.begin('signed');
    const before = await world.policy('signed');
    // The same policy, signed while the rollout is under way.
    expect(await signed.write({ before, ...applied, text: before.policy?.text ?? '' })).toMatchObject({
      kind: 'written',
    });
    const deps = world.deps({ policies: signed, tickMs: 60_000 });
    const { id } = await world.session();
    await expect
      .poll(async () => {
        await reconcile('signed', id, deps);
        return (await world.record('signed')).progress.state.kind;
      })
      .toBe('completed');
    const stored = await world.policy('signed');
    const [, ...written] = stored.history;
    expect(written.length).toBeGreaterThan(4);
    const trusted = readTrustedKeys([ours.publicPem]) as TrustedKeys;
    expect(verifySignatures({ ...stored, history: written }, trusted)).toEqual([]);
    const times = written.map(({ entry }) => signedAtMs(parseStored(entry?.document ?? '')) ?? 0);
    expect(times).toEqual([...new Set(times)].sort((a, b) => a - b));
  });

  it('waits, and changes nothing, where the controller has no key', async () => {
    const signed = createPolicyStore({ client: world.client, signing: ours.signing });
    await world.begin('keyless');
    const before = await world.policy('keyless');
    await signed.write({ before, ...applied, text: before.policy?.text ?? '' });
    const text = (await world.policy('keyless')).policy?.text;
    const { id } = await world.session();
    for (let turn = 0; turn < 5; turn += 1) await reconcile('keyless', id, world.deps({ tickMs: 60_000 }));
    expect((await world.policy('keyless')).policy?.text).toBe(text);
    expect((await world.record('keyless')).progress.state.kind).not.toBe('completed');
  });
});
