import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../../../../src/base/random';
import { Comparison, type FieldDifference } from '../../../../../../src/client/grpc/mirror/compare/comparison';

const METHOD = '/shop.v1.Payments/Charge';
const CALLS = 2_000;

/** How often a field is another in a second answer of the same server, by field. */
type Noise = Readonly<Record<string, number>>;

/** Fields as they are in the field: a time, an identifier, a price that moves, a cache that is seldom filled. */
const NOISE: Noise = { updatedAt: 1, id: 0.98, price: 0.3, cached: 0.02, region: 0.001 };

interface Run {
  readonly calls: number;
  readonly again: number;
  readonly flagged: readonly FieldDifference[];
  readonly comparison: Comparison;
}

/** Answers of two alike servers, except that `planted` differs in a share of the mirror's answers. */
function simulate(
  seed: number,
  planted: number,
  options: { readonly noise?: Noise; readonly mayRunAgain?: boolean } = {},
): Run {
  const { noise = NOISE, mayRunAgain = true } = options;
  const random = seededRandom(seed);
  const comparison = new Comparison();
  const flagged: FieldDifference[] = [];
  let again = 0;
  const answer = (): Set<string> => new Set(Object.keys(noise).filter((field) => random() < (noise[field] ?? 0)));
  for (let call = 0; call < CALLS; call += 1) {
    const isAgain = mayRunAgain && comparison.wantsAgain(random());
    const copy = answer();
    if (random() < planted) copy.add('total');
    if (isAgain) again += 1;
    const answers = { method: METHOD, copy, again: isAgain ? answer() : undefined, isNoiseMeasured: mayRunAgain };
    comparison.take(answers, (field) => flagged.push(field));
  }
  return { calls: CALLS, again, flagged, comparison };
}

const runs = (count: number, planted: number, noise?: Noise): readonly Run[] =>
  Array.from({ length: count }, (_, at) => simulate(1 + at, planted, noise === undefined ? {} : { noise }));
const flaggedIn = (all: readonly Run[]): readonly string[] =>
  all.flatMap(({ flagged }) => flagged.map(({ field }) => field));

describe('fields that differ by themselves', () => {
  it('are flagged in none of 100 healthy pairs, whatever their share', () => {
    expect(flaggedIn(runs(100, 0))).toEqual([]);
  });

  it('cost stable few second copies once they are known', () => {
    const { again } = simulate(1, 0, { noise: { updatedAt: 1 } });
    expect(again).toBeLessThan(CALLS * 0.15);
  });
});

describe('a field that differs in 1 % of the answers of the mirror', () => {
  it('is found within 2,000 calls, in nearly every run', () => {
    const all = runs(100, 0.01, { updatedAt: 1 });
    const found = all.filter(({ flagged }) => flagged.some(({ field }) => field === 'total'));
    // 97 % by 1,000 runs; four standard deviations below it.
    expect(found.length).toBeGreaterThanOrEqual(90);
    expect(flaggedIn(all).every((field) => field === 'total')).toBe(true);
  });

  it('is found all the same beside others that differ by themselves', () => {
    const found = runs(50, 0.01).filter(({ flagged }) => flagged.some(({ field }) => field === 'total'));
    expect(found.length).toBeGreaterThanOrEqual(40);
  });

  it('is found in few calls where it is another in every answer', () => {
    const { comparison } = simulate(3, 1);
    expect(comparison.fields()[0]).toMatchObject({ field: 'total', isFlagged: true });
    const one = new Comparison();
    let calls = 0;
    while (!one.isFlagged(METHOD, 'total')) {
      const again = one.wantsAgain(0.5) ? new Set<string>() : undefined;
      one.take({ method: METHOD, copy: new Set(['total']), again, isNoiseMeasured: true }, () => {});
      calls += 1;
    }
    expect(calls).toBeLessThan(20);
  });
});

describe('what is counted', () => {
  it('adds up: equal, unflagged, differing', () => {
    const { comparison } = simulate(1, 0.05);
    const { compared, equal, unflagged, differing, noiseCompared } = comparison;
    expect(compared).toBe(CALLS);
    expect(equal + unflagged + differing).toBe(CALLS);
    expect(differing).toBeGreaterThan(0);
    expect(noiseCompared).toBeLessThanOrEqual(CALLS);
  });

  it('is flagged at once where nobody knows what is noise', () => {
    const { comparison, flagged, again } = simulate(1, 0, { mayRunAgain: false, noise: { updatedAt: 0.5 } });
    expect(again).toBe(0);
    expect(flagged).toHaveLength(1);
    expect(comparison).toMatchObject({ unflagged: 0, noiseCompared: 0 });
    expect(comparison.differing + comparison.equal).toBe(CALLS);
  });

  it('is at most 100 fields, and one for all others', () => {
    const comparison = new Comparison();
    for (let at = 0; at < 300; at += 1) {
      comparison.take(
        { method: METHOD, copy: new Set([`f${at}`]), again: undefined, isNoiseMeasured: false },
        () => {},
      );
    }
    const fields = comparison.fields();
    expect(fields).toHaveLength(101);
    expect(fields[0]).toMatchObject({ field: '(others)', differing: 200 });
    expect(comparison.differing).toBe(300);
  });

  it('tells methods apart', () => {
    const comparison = new Comparison();
    for (const method of ['/s.A/One', '/s.A/Two'])
      comparison.take(
        { method, copy: new Set(['a']), again: undefined, isNoiseMeasured: method.endsWith('One') },
        () => {},
      );
    expect(comparison.fields().map(({ method, isFlagged }) => [method, isFlagged])).toEqual([
      ['/s.A/Two', true],
      ['/s.A/One', false],
    ]);
  });
});
