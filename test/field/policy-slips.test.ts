import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { seededRandom } from '../../src/base/random';
import type { PolicyDocument } from '../../src/index';
import { compilePolicy } from '../../src/policy/compile';
import { parseDocumentText } from '../../src/policy/parse-text';
import { PolicyError } from '../../src/policy/policy-error';
import { type Ended, runHere } from '../integration/cli/in-process';
import { printFact } from '../support/figure';
import { isLong } from '../support/slice';
import { basePolicy, harmlessEdits, SERVICE, type Slip, slips } from './policy-slips';
import { failingCalls, revisionInForce, type SlipsWorld, startSlipsWorld } from './slips-world';

const SLIPS = isLong ? 210 : 84;
const HARMLESS = isLong ? 160 : 50;
/** Other slips for another `SEED` (1). */
const SEED = 10 * Number(process.env['SEED'] ?? 1);

let world: SlipsWorld;
beforeAll(async () => {
  world = await startSlipsWorld(['dc1']);
}, 120_000);
afterAll(() => world?.stop());

/** Calls that fail under the policy in some client; undefined: the SDK refuses it, so that the former one stays. */
async function failingUnder(document: object): Promise<readonly string[] | undefined> {
  let revision: string;
  try {
    ({ revision } = compilePolicy({ content: document, format: 'object' }, { service: SERVICE, origin: 'inline' }));
  } catch (error) {
    if (error instanceof PolicyError) return undefined;
    throw error;
  }
  for (const { graylane } of world.seers) {
    graylane.setPolicy(SERVICE, document as PolicyDocument);
    graylane.ready(SERVICE, { timeoutMs: 1 }).catch(() => {});
    await expect.poll(() => revisionInForce(graylane), { interval: 5, timeout: 10_000 }).toBe(revision);
  }
  return failingCalls(world.seers);
}

/** What the command says to it, run in this process. */
async function apply(text: string): Promise<Ended> {
  const args = ['policy', 'apply', world.file('payments.yaml', text), '--dry-run', '--allow-reshuffle'];
  return runHere(args, { CONSUL_HTTP_ADDR: world.consul.dc('dc1').address });
}

describe('a slip in a policy', () => {
  it('is what real calls are held against: all of them are answered under the policy as it is', async () => {
    expect(await failingUnder(basePolicy())).toEqual([]);
    expect(await apply(JSON.stringify(basePolicy()))).toMatchObject({ code: 0, stderr: '' });
  });

  it(`that makes calls fail never goes through without --force: ${SLIPS} seeded`, { timeout: 600_000 }, async () => {
    const wentThrough: string[] = [];
    const counts = { harmful: 0, harmless: 0, invalid: 0, refused: 0 };
    for (const slip of slips(seededRandom(SEED + 6), SLIPS)) {
      const { code } = await apply(slip.text);
      const { value } = parseDocumentText(slip.text, 'yaml');
      const failed = typeof value === 'object' && value !== null ? await failingUnder(value) : undefined;
      if (code !== 0) counts.refused += 1;
      if (failed === undefined) counts.invalid += 1;
      else if (failed.length === 0) counts.harmless += 1;
      else {
        counts.harmful += 1;
        if (code === 0) wentThrough.push(told(slip, failed));
      }
      if (failed === undefined) expect(code, told(slip, [])).toBe(1);
    }
    printFact('slips', JSON.stringify(counts));
    expect(wentThrough).toEqual([]);
    // Slips that hurt nobody would prove nothing.
    expect(counts.harmful).toBeGreaterThan(SLIPS / 7);
  });

  it(`is not seen in ${HARMLESS} edits that people make`, { timeout: 300_000 }, async () => {
    const refused: string[] = [];
    for (const edit of harmlessEdits(seededRandom(SEED + 7), HARMLESS)) {
      const { code, stderr } = await apply(edit.text);
      if (code !== 0) refused.push(`${edit.kind}: ${stderr}`);
    }
    printFact('harmless edits refused', `${refused.length} of ${HARMLESS}`);
    expect(refused.slice(Math.floor(HARMLESS * 0.02))).toEqual([]);
  });
});

function told({ kind, text }: Slip, failed: readonly string[]): string {
  return `${kind}: ${failed.slice(0, 2).join('; ')}\n${text}`;
}
