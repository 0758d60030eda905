import { type Random, seededRandom } from '../../../../src/base/random';

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** A copy of a document with a few random changes: the same ones for the same seed. */
export function mutated(document: unknown, seed: number, spare: readonly unknown[]): unknown {
  const random = seededRandom(seed);
  const copy = structuredClone(document) as Json;
  const parts = spare.flatMap((each) => partsOf(each as Json));
  for (let changes = 1 + Math.floor(random() * 3); changes > 0; changes -= 1) change(copy, parts, random);
  return copy;
}

const SCRAP: readonly Json[] = [
  null,
  0,
  -1,
  3,
  1.5,
  1e12,
  '',
  'x',
  '*',
  true,
  [],
  {},
  [{}],
  '1s',
  '-1s',
  'x'.repeat(300),
];

interface Slot {
  readonly holder: Json[] | { [key: string]: Json };
  readonly key: string | number;
}

function slotsOf(value: Json, found: Slot[] = []): Slot[] {
  if (Array.isArray(value)) {
    for (const [key, each] of value.entries()) {
      found.push({ holder: value, key });
      slotsOf(each, found);
    }
  } else if (typeof value === 'object' && value !== null) {
    for (const [key, each] of Object.entries(value)) {
      found.push({ holder: value, key });
      slotsOf(each, found);
    }
  }
  return found;
}

interface Part {
  readonly key: string | number;
  readonly value: Json;
}

/** Every value of a document, with the key that it stands under. */
function partsOf(value: Json): Part[] {
  return slotsOf(value).map(({ holder, key }) => ({ key, value: (holder as { [key: string]: Json })[key] ?? null }));
}

function change(document: Json, parts: readonly Part[], random: Random): void {
  const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)] as T;
  const slots = slotsOf(document);
  if (slots.length === 0) return;
  const { holder, key } = pick(slots);
  const target = holder as { [key: string]: Json };
  const draw = random();
  if (draw < 0.2) {
    if (Array.isArray(holder)) holder.splice(Number(key), 1);
    else delete target[key];
  } else if (draw < 0.3) target[key] = structuredClone(pick(SCRAP));
  else if (draw < 0.65) {
    // A value that stands under the same key elsewhere: mostly a sound one.
    const fitting = parts.filter((part) => part.key === key);
    target[key] = structuredClone(pick(fitting.length === 0 ? parts : fitting).value);
  } else if (draw < 0.75) {
    const { key: name, value } = pick(parts);
    if (Array.isArray(holder)) holder.push(structuredClone(value));
    else target[name] = structuredClone(value);
  } else if (draw < 0.85 && Array.isArray(holder)) holder.push(structuredClone(holder[Number(key)] ?? null));
  else if (draw < 0.9 && Array.isArray(holder)) holder.reverse();
  else if (!Array.isArray(holder)) {
    const value = target[key] ?? null;
    delete target[key];
    target[String(pick(parts).key)] = value;
  }
}
