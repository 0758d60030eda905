import { describe, expect, it } from 'vitest';
import { type Candidate, decodeCandidate, encodeCandidate, placeOf } from '../../../src/base/candidate';

const CANDIDATE: Candidate = {
  kind: 'gradual',
  id: 'run-of-a-command',
  by: 'alice',
  untilMs: Date.parse('2026-12-01T10:00:00Z'),
  base: '123',
  below: 0.25,
  percent: 10,
  url: 'http://10.0.0.7:9464',
  key: 'k'.repeat(32),
  everyMs: 1_000,
  document: { schema: 1, service: 'payments' },
};

describe('a candidate', () => {
  it('is read as it was written', () => {
    expect(decodeCandidate(encodeCandidate(CANDIDATE))).toEqual(CANDIDATE);
    const first = { ...CANDIDATE, kind: 'trial', base: undefined } as const;
    expect(decodeCandidate(encodeCandidate(first))).toEqual(first);
  });

  it.each([
    ['not JSON', 'not JSON'],
    ['[]', 'format'],
    [{ format: 2 }, 'format'],
    [{ kind: 'now' }, 'kind'],
    [{ id: 'a b' }, 'id'],
    [{ by: '' }, 'by'],
    [{ until: 'tomorrow' }, 'until'],
    [{ base: 12 }, 'base'],
    [{ below: 1.5 }, 'below'],
    [{ below: '1' }, 'below'],
    [{ percent: -1 }, 'below'],
    [{ url: 'http://user:secret@10.0.0.7' }, 'url'],
    [{ url: 'file:///etc/passwd' }, 'url'],
    [{ key: 'short' }, 'key'],
    [{ everyMs: 1 }, 'everyMs'],
    [{ document: 'a policy' }, 'document'],
    ['x'.repeat(300_000), 'longer'],
  ])('is refused: %s', (change, problem) => {
    const whole = JSON.parse(encodeCandidate(CANDIDATE));
    const text = typeof change === 'string' ? change : JSON.stringify({ ...whole, ...change });
    const read = decodeCandidate(text);
    expect(read).toEqual({ problem: expect.stringMatching(problem) });
    expect(JSON.stringify(read)).not.toMatch(/secret|kkkk/);
  });

  it('gives clients places that are even, their own, and others for another run', () => {
    const places = Array.from({ length: 2_000 }, (_, at) => placeOf(`client-${at}`, 'run-1'));
    expect(places.every((place) => place >= 0 && place < 1)).toBe(true);
    for (const share of [0.01, 0.1, 0.5]) {
      const below = places.filter((place) => place < share).length / places.length;
      expect(Math.abs(below - share)).toBeLessThan(0.035);
    }
    expect(placeOf('client-1', 'run-1')).toBe(places[1]);
    expect(placeOf('client-1', 'run-2')).not.toBe(places[1]);
  });
});
