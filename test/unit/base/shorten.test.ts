import { describe, expect, it } from 'vitest';
import { GraylaneError } from '../../../src/base/errors';
import { showValue } from '../../../src/base/shorten';
import { parseOptions } from '../../../src/client/options';
import { parseAcceptOptions } from '../../../src/client/propagation/accept';
import { parseConsulOptions } from '../../../src/consul/options';
import { parseInstanceOptions } from '../../../src/server/instance-options';
import { loadShedding } from '../../../src/server/load-shedding';

const circle: Record<string, unknown> = {};
circle['itself'] = circle;

/** What somebody may hand in by mistake, or by harm. */
const VALUES: Readonly<Record<string, unknown>> = {
  'a long text': 'x'.repeat(200_000),
  'a long text of control characters': '\0'.repeat(200_000),
  'a long list': Array.from({ length: 50_000 }, () => ({})),
  'a list of long texts': ['x'.repeat(200_000)],
  'an object with a long key': { ['k'.repeat(200_000)]: 1 },
  'a BigInt': 8_080n,
  'a list of BigInts': [1n],
  'a circle': circle,
  'a symbol': Symbol('s'),
  'an object without a prototype': Object.create(null),
  'an object that cannot be written': {
    toJSON: () => {
      throw new Error('no');
    },
  },
  'an object that is no text': {
    toString: () => {
      throw new Error('no');
    },
  },
  'not a number': Number.NaN,
  null: null,
};

/** Fifty problems of a list, each with its place and a value of 80 characters. */
const MOST_CHARACTERS = 50 * 200;

/** Each reader of options, and what it needs in any case. */
const READERS: Readonly<Record<string, (given: never) => unknown>> = {
  'createGraylane()': (given) => parseOptions(given, {}),
  'consul of createGraylane()': (given) => parseConsulOptions(given, {}),
  'registerInstance()': (given) => parseInstanceOptions({ name: 'payments', port: 1, ...(given as object) }, {}),
  'check of registerInstance()': (given) => parseInstanceOptions({ name: 'payments', port: 1, check: given }, {}),
  'serverInterceptor()': (given) => parseAcceptOptions({ accept: [], ...(given as object) }, 'serverInterceptor'),
  'tls of consul': (given) => parseConsulOptions({ tls: given }, {}),
  'loadShedding()': (given) => loadShedding(given),
};

/** The options that a reader knows, by what it says of one that it does not know. */
function keysOf(read: (given: never) => unknown): string[] {
  try {
    read({ '': 1 } as never);
  } catch (error) {
    const listed = /unknown \(expected: ([^;)]+)/.exec((error as Error).message)?.[1];
    return listed?.split(', ') ?? [];
  }
  return [];
}

describe('a value of an option that is wrong', () => {
  const cases = Object.entries(READERS).flatMap(([name, read]) =>
    keysOf(read).flatMap((key) => Object.keys(VALUES).map((value) => [name, key, value] as const)),
  );

  it('is tried at every option', () => {
    expect(cases.length).toBeGreaterThan(40 * Object.keys(VALUES).length);
  });

  it.each(cases)('%s, %s, %s: is refused in few words, or taken', (name, key, value) => {
    try {
      READERS[name]?.({ [key]: VALUES[value] } as never);
    } catch (error) {
      expect(error).toBeInstanceOf(GraylaneError);
      expect((error as Error).message.length).toBeLessThan(MOST_CHARACTERS);
    }
  });

  it.each([
    ['a BigInt', 1n, '1'],
    ['a circle', circle, 'an object that is no plain data'],
    ['a symbol', Symbol('s'), 'a symbol'],
    ['a function', () => {}, 'a function'],
    ['nothing', undefined, 'missing'],
    ['a text', 'x'.repeat(100), `"${'x'.repeat(59)}...`],
    ['no number', Number.NaN, 'NaN'],
  ])('shows %s', (_, value, shown) => {
    expect(showValue(value)).toBe(shown);
  });
});
