import type { Random } from './random';

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** How a value of about so many bytes is made that somebody means harm by. */
const SHAPES: Readonly<Record<string, (bytes: number, random: Random) => Json>> = {
  'a long text': (bytes) => 'x'.repeat(bytes),
  'a long text of slashes': (bytes) => '/'.repeat(bytes),
  'a long text of parentheses': (bytes) => '('.repeat(bytes),
  'a long text of commas': (bytes) => 'a,'.repeat(bytes / 2),
  'a long key': (bytes) => ({ ['k'.repeat(bytes)]: 1 }),
  'a long key above many': (bytes) => ({ ['k'.repeat(bytes / 2)]: manyKeys(bytes / 2, 'u') }),
  'long keys above many': (bytes) => nested(Math.min(14, bytes >> 9), manyKeys(bytes / 2, 'u')),
  'many keys': (bytes) => manyKeys(bytes, 'unknown'),
  'many keys of one length': (bytes) =>
    Object.fromEntries(rows(bytes, 20).map((row) => [`${row}`.padStart(12, '0'), 1])),
  'many objects': (bytes) => rows(bytes, 3).map(() => ({})),
  'many equal texts': (bytes) => rows(bytes, 7).map(() => 'same'),
  'many texts': (bytes) => rows(bytes, 9).map((row) => `t${row}`),
  'many near names': (bytes) =>
    Object.fromEntries(
      rows(bytes, 70).map((row) => [`${'n'.repeat(56)}${row}`, { fallback: `${'n'.repeat(56)}x${row}` }]),
    ),
  'many lists': (bytes) => rows(bytes, 4).map(() => []),
  'many numbers': (bytes) => rows(bytes, 7).map((row) => row),
  'many wrong kinds': (bytes, random) => rows(bytes, 12).map(() => (random(2) === 0 ? { a: null } : [true, 'a', 1.5])),
  'a chain of names': (bytes) =>
    Object.fromEntries(rows(bytes, 30).map((row) => [`s${row}`, { fallback: `s${row + 1}` }])),
  deep: (bytes) => JSON.parse('['.repeat(Math.min(bytes / 2, 300)) + ']'.repeat(Math.min(bytes / 2, 300))) as Json,
  'many routes': (bytes) =>
    rows(bytes, 60).map((row) => ({ name: `r${row}`, match: { labels: { a: 'x', b: `${row}` } }, to: `s${row}` })),
  'many sticky routes': (bytes) =>
    rows(bytes, 60).map((row) => ({ name: `r${row}`, stickBy: `label-that-is-read-by-nobody-${row}`, to: 'stable' })),
};

function manyKeys(bytes: number, name: string): Json {
  return Object.fromEntries(rows(bytes, name.length + 8).map((row) => [`${name}${row}`, 1]));
}

function nested(levels: number, inner: Json): Json {
  let value = inner;
  for (let level = 0; level < levels; level += 1) value = { [String.fromCharCode(97 + level).repeat(250)]: value };
  return value;
}

function rows(bytes: number, each: number): number[] {
  return Array.from({ length: Math.max(1, Math.floor(bytes / each)) }, (_, row) => row);
}

export interface Hostile {
  readonly what: string;
  readonly text: string;
}

/** A sound document with something hostile at a place of it. */
export function hostile(sound: unknown, bytes: number, random: Random): Hostile {
  const copy = structuredClone(sound) as Json;
  const names = Object.keys(SHAPES);
  const what = names[random(names.length)] as string;
  const value = (SHAPES[what] as (typeof SHAPES)[string])(bytes, random);
  const place = put(copy, value, random);
  return { what: `${what} at ${place}`, text: JSON.stringify(place === '' ? value : copy) };
}

function put(document: Json, value: Json, random: Random): string {
  let holder = document as Record<string, Json>;
  let place = '';
  for (;;) {
    const keys = Object.keys(holder);
    const key = keys[random(keys.length)];
    if (key === undefined) return place;
    place += `/${key}`;
    const inner = holder[key];
    if (typeof inner === 'object' && inner !== null && Object.keys(inner).length > 0 && random(5) > 0) {
      holder = inner as Record<string, Json>;
      continue;
    }
    if (random(4) === 0 && !Array.isArray(holder)) {
      if (typeof value === 'object' && value !== null && !Array.isArray(value)) Object.assign(holder, value);
      else holder['more'] = value;
    } else holder[key] = value;
    return place;
  }
}
