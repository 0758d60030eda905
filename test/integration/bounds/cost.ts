import { type Hostile, hostile } from './hostile';
import { INPUTS, type Input } from './inputs';
import { seeded } from './random';

/** What reading any input may cost and tell, above a floor that small inputs may take: in processor time, and in bytes. */
const FLOOR_US = 20_000;
const FLOOR_BYTES = 32 * 1024;
const MOST_BYTES = 256 * 1024;
const BYTES_OUT = 20;
/** In what it takes to parse as many bytes of plain JSON. */
const TIMES_JSON = 150;
const LARGEST = 240_000;
/** Of an input in one round. */
const MOST_TURNS = 5;

export interface Found {
  readonly what: string;
  readonly bytes: number;
  readonly us: number;
  readonly told: number;
}

function cpuOf(run: () => unknown): { readonly us: number; readonly result: unknown } {
  const before = process.cpuUsage();
  const result = run();
  const { user, system } = process.cpuUsage(before);
  return { us: user + system, result };
}

/** Processor time of `JSON.parse` for a byte, in microseconds: the least of several, since the first ones are slower. */
function yardstick(): number {
  const text = JSON.stringify(
    Array.from({ length: 5_000 }, (_, row) => ({ name: `row-${row}`, tags: ['a', 'b'], row })),
  );
  const runs = Array.from({ length: 9 }, () => cpuOf(() => JSON.parse(text)).us);
  return Math.max(Math.min(...runs), 1) / text.length;
}

/** Feeds so many hostile inputs to each way in; those that cost or tell too much. */
export function findCostly(
  inputs: number,
  seed: number,
): { readonly costly: Found[]; readonly worstUs: number; readonly worstBytes: number } {
  const random = seeded(seed);
  const costly: Found[] = [];
  let worstUs = 0;
  let worstBytes = 0;
  const usPerByte = yardstick() * TIMES_JSON;
  for (const input of Object.values(INPUTS)) warm(input);
  // What takes longer to read has its turn less often, so that a run takes an hour and not three.
  const names = Object.entries(INPUTS).flatMap(([name, { factor = 1 }]) =>
    Array.from({ length: Math.ceil(MOST_TURNS / factor) }, () => name),
  );
  for (let turn = 0; turn < inputs; turn += 1) {
    const name = names[turn % names.length] as string;
    const input = INPUTS[name] as Input;
    // Sizes of all orders: most are small.
    const bytes = Math.floor(LARGEST / 2 ** random(12));
    const made = hostile(input.sound, bytes, random);
    const found = measure(name, input, made, usPerByte * (input.factor ?? 1));
    if (found.us > FLOOR_US) worstUs = Math.max(worstUs, (found.us - FLOOR_US) / found.bytes);
    worstBytes = Math.max(worstBytes, found.told);
    const isDear = found.us > FLOOR_US + usPerByte * (input.factor ?? 1) * found.bytes;
    const isLong = found.told > Math.min(FLOOR_BYTES + BYTES_OUT * found.bytes, MOST_BYTES);
    if (isDear || isLong) costly.push(found);
  }
  return { costly, worstUs, worstBytes };
}

function warm(input: Input): void {
  const text = JSON.stringify(input.sound);
  for (let turn = 0; turn < 20; turn += 1) input.read(input.written?.(text) ?? text);
}

function measure(name: string, input: Input, { what, text: json }: Hostile, usPerByte: number): Found {
  const text = input.written?.(json) ?? json;
  let { us, result } = cpuOf(() => input.read(text));
  // A collection of garbage, or another process on the same core: the least of a few.
  for (let again = 0; again < 4 && us > FLOOR_US + usPerByte * text.length; again += 1) {
    us = Math.min(us, cpuOf(() => input.read(text)).us);
  }
  return { what: `${name}: ${what}`, bytes: text.length, us, told: JSON.stringify(result)?.length ?? 0 };
}
