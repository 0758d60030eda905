import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { validatePolicy } from '../../../../src/policy/validate';
import { runs } from '../../../support/slice';
import { soundPolicy } from '../arbitrary-policy';

type Part = Record<string | number, unknown>;

const of = (document: object): object => ({
  schema: 1,
  service: 'payments',
  subsets: { stable: { tags: ['stable'] }, canary: { tags: ['canary'] } },
  default: 'stable',
  ...document,
});
const judged = (document: unknown): ReturnType<typeof validatePolicy> =>
  validatePolicy(document, { service: 'payments' });

/** Every place in a document, with what holds it. */
function placesIn(holder: Part): readonly (readonly [Part, string | number])[] {
  const keys: (string | number)[] = Array.isArray(holder) ? [...holder.keys()] : Object.keys(holder);
  return keys.flatMap((key) => {
    const inner = holder[key];
    const within = typeof inner === 'object' && inner !== null ? placesIn(inner as Part) : [];
    return [[holder, key] as const, ...within];
  });
}

describe('a value of a wrong type', () => {
  it('is one problem wherever it stands, and no warning follows from it', () => {
    fc.assert(
      fc.property(soundPolicy, fc.nat(), (sound, draw) => {
        const document = JSON.parse(JSON.stringify(sound)) as Part;
        const places = placesIn(document);
        const [holder, key] = places[draw % places.length] as (typeof places)[number];
        holder[key] = null;
        const { problems, warnings } = judged(document);
        const own = problems.filter(({ message }) => message.includes(': null (expected: '));
        expect(own).toHaveLength(1);
        const path = String(own[0]?.path);
        expect(problems.filter((problem) => problem.path === path)).toEqual(own);
        const around = warnings.filter((warning) => `${path}.`.startsWith(`${warning.path}.`));
        expect(around).toEqual([]);
      }),
      { numRuns: runs(2_000) },
    );
  });

  it.each<[string, object, readonly string[]]>([
    [
      'routes',
      { routes: [null, 5, [], 'x', { name: 'all' }] },
      [
        'routes[0]: null (expected: an object)',
        'routes[1]: 5 (expected: an object)',
        'routes[2]: [] (expected: an object)',
        'routes[3]: "x" (expected: an object)',
        'routes[4]: neither to nor split (expected: exactly one of them)',
      ],
    ],
    [
      'a match, without which the route would take every call',
      {
        routes: [
          { name: 'a', match: 'x', to: 'stable' },
          { name: 'b', to: 'canary' },
        ],
      },
      ['routes[0].match: "x" (expected: an object)'],
    ],
    ['the word or an object', { retry: [] }, ['retry: [] (expected: off or an object)']],
    ['a word that is another one', { retry: 'on' }, ['retry: "on" (expected: off)']],
    [
      'tags, without which the subset would take every instance',
      { subsets: { stable: { tags: 'stable' }, canary: { tags: ['canary'] } } },
      ['subsets.stable.tags: "stable" (expected: a list; write [stable])'],
    ],
    [
      'tags under another name',
      { subsets: { stable: { tag: ['stable'] }, canary: { tags: ['canary'] } } },
      ['subsets.stable.tag: ["stable"] (expected: a known key; did you mean tags?)'],
    ],
  ])('%s', (_, part, expected) => {
    const { problems, warnings } = judged(of(part));
    expect(problems.map(({ message }) => message)).toEqual(expected);
    expect(warnings).toEqual([]);
  });
});

describe('a warning', () => {
  it('is told beside a problem of another part', () => {
    const routes = [
      { name: 'a', to: 'stable' },
      { name: 'b', to: 'canary' },
    ];
    const subsets = { stable: {}, canary: { tags: ['canary'] } };
    const { problems, warnings } = judged(of({ subsets, routes, timeoutMs: 'soon' }));
    expect(problems).toHaveLength(1);
    expect(warnings.map(({ path }) => path)).toEqual(['subsets.stable', 'routes[1]']);
  });
});
