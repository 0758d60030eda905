import { describe, expect, it } from 'vitest';
import { rolloutOf, type WavesDocument } from '../../../../../src/ops/rollout/waves/document';
import { parseWaves, validateWaves } from '../../../../../src/ops/rollout/waves/validate';

const SOUND: WavesDocument = {
  schema: 1,
  name: 'shop',
  rollout: { canary: 'canary', stable: 'stable', steps: [{ setWeight: 5 }, { analysis: {} }] },
  waves: [
    { members: [{ service: 'cart', datacenter: 'dc2', rollout: { canary: 'v2' } }], bakeMs: 60_000 },
    { members: [{ service: 'cart', datacenter: 'dc1' }, { service: 'orders' }] },
  ],
  bakeMs: 1_000,
  onFailure: 'take-back-all',
};

describe('a document of waves', () => {
  it('is let pass, and gives each member the rollout that it says', () => {
    expect(validateWaves(SOUND).problems).toEqual([]);
    const { schema, service, canary, stable } = rolloutOf(SOUND, { service: 'cart', datacenter: 'dc2' });
    expect([schema, service, canary, stable]).toEqual([1, 'cart', 'v2', 'stable']);
    expect(rolloutOf(SOUND, { service: 'cart', datacenter: 'dc1' }).canary).toBe('canary');
  });

  it.each<[string, object, string]>([
    ['no waves', { waves: [] }, 'waves: [] (expected: at least 1 of them)'],
    [
      'a member twice',
      { waves: [{ members: [{ service: 'cart' }] }, { members: [{ service: 'cart' }] }] },
      'waves[1].members[0]: cart, given twice (expected: each service once in each datacenter)',
    ],
    [
      'a member that may be another one, by the agent of who leads',
      { waves: [{ members: [{ service: 'cart', datacenter: 'dc1' }] }, { members: [{ service: 'cart' }] }] },
      'waves[1].members[0]: cart, and cart in named datacenters (expected: datacenter, in each of them)',
    ],
    [
      'a bake after the last',
      { waves: [{ members: [{ service: 'cart' }], bakeMs: 5 }] },
      'waves[0].bakeMs: 5 (expected: none in the last wave, which no other follows)',
    ],
    [
      'a rollout that is not whole, told once',
      { rollout: { canary: 'canary', stable: 'stable' } },
      'waves[0].members[0]: its rollout: steps: missing (expected: a list)',
    ],
    [
      'a rollout that is wrong',
      { rollout: { ...SOUND.rollout, steps: [{ setWeight: 120 }] } },
      'rollout.steps[0].setWeight: 120 (expected: <= 100)',
    ],
    [
      'a rollout that is wrong together with what is shared',
      { waves: [{ members: [{ service: 'cart', rollout: { canary: 'stable' } }] }] },
      'waves[0].members[0]: its rollout: canary: "stable" (expected: another subset than stable)',
    ],
    ['a service in what is shared', { rollout: { service: 'cart' } }, 'rollout.service: "cart" (expected: '],
    [
      'a place that is no name',
      { waves: [{ members: [{ service: 'cart', datacenter: 'a/b' }] }] },
      'waves[0].members[0].datacenter: "a/b" (expected: the name of a datacenter)',
    ],
    ['a word of others', { stages: [] }, 'stages: [] (expected: '],
  ])('is refused with its place: %s', (_, change, message) => {
    const messages = validateWaves({ ...SOUND, ...change }).problems.map((problem) => problem.message);
    expect(messages).toHaveLength(1);
    expect(messages[0]).toContain(message);
  });

  it('has at most fifty members', () => {
    const members = Array.from({ length: 30 }, (_, at) => ({ service: `s${at}` }));
    const more = Array.from({ length: 30 }, (_, at) => ({ service: `t${at}` }));
    const { problems } = validateWaves({ ...SOUND, waves: [{ members }, { members: more }] });
    expect(problems.map(({ message }) => message)).toEqual(['waves: 60 members (expected: at most 50 in all)']);
  });

  it('says line and column', () => {
    const { problems } = parseWaves('schema: 1\nname: shop\nwaves:\n  - members: [{ service: cart }]\n', 'yaml');
    expect(problems[0]).toMatchObject({ line: 4, message: expect.stringContaining('its rollout: canary: missing') });
  });
});
