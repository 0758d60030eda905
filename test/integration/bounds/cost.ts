import { hostile } from './hostile';
import { INPUTS, type Input } from './inputs';
import { seeded } from './random';

/** What reading any input may cost and tell, above a floor that small inputs may take: in processor time, and in bytes. */
const FLOOR_US = 20_000;
const FLOOR_BYTES = 32 * 1024;
const MOST_BYTES = 256 * 1024;
const BYTES_OUT = 20;
/** In what it takes to parse as many bytes of plain JSON. */
const TIMES_JSON = 150;
/** Of one input, where it takes longer than the floor; and where it seems to cost too much. */
const LEAST_READINGS = 3;
const MOST_READINGS = 6;
/** Of a text, in characters. */
export const LARGEST = 240_000;

interface Found {
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

interface Costs {
  /** What costs or tells too much. */
  readonly costly: readonly Found[];
  /** For a byte, above the floor. */
  readonly worstUs: number;
  readonly worstBytes: number;
}

/** Feeds so many hostile inputs to each way in. */
export function findCostly(inputs: number, seed: number): Costs {
  const random = seeded(seed);
  for (const input of Object.values(INPUTS)) warm(input);
  const names = Object.keys(INPUTS);
  return costsOf(inputs, (turn) => {
    const name = names[turn % names.length] as string;
    const input = INPUTS[name] as Input;
    // Sizes of all orders: most are small.
    const { what, text } = hostile(input.sound, Math.floor(LARGEST / 2 ** random(12)), random);
    return { what: `${name}: ${what}`, text: input.written?.(text) ?? text, read: input.read };
  });
}

/** Feeds each text to one way in. */
export function findCostlyTexts(texts: Readonly<Record<string, string>>, input: Input): Costs {
  warm(input);
  const all = Object.entries(texts);
  return costsOf(all.length, (turn) => {
    const [what, text] = all[turn] as [string, string];
    return { what, text, read: input.read };
  });
}

interface Fed extends Pick<Input, 'read'> {
  readonly what: string;
  readonly text: string;
}

function costsOf(inputs: number, fed: (turn: number) => Fed): Costs {
  const costly: Found[] = [];
  let worstUs = 0;
  let worstBytes = 0;
  const usPerByte = yardstick() * TIMES_JSON;
  for (let turn = 0; turn < inputs; turn += 1) {
    const found = measure(fed(turn), usPerByte);
    worstUs = Math.max(worstUs, (found.us - FLOOR_US) / found.bytes);
    worstBytes = Math.max(worstBytes, found.told);
    const isDear = found.us > FLOOR_US + usPerByte * found.bytes;
    const isLong = found.told > Math.min(FLOOR_BYTES + BYTES_OUT * found.bytes, MOST_BYTES);
    if (isDear || isLong) costly.push(found);
  }
  return { costly, worstUs, worstBytes };
}

function warm(input: Input): void {
  const text = JSON.stringify(input.sound);
  for (let turn = 0; turn < 20; turn += 1) input.read(input.written?.(text) ?? text);
}

function measure({ what, text, read }: Fed, usPerByte: number): Found {
  let { us, result } = cpuOf(() => read(text));
  // A collection of garbage, or another process on the same core: the least of a few.
  const isAbove = (again: number): boolean => us > FLOOR_US + (again < LEAST_READINGS ? 0 : usPerByte * text.length);
  for (let again = 1; again < MOST_READINGS && isAbove(again); again += 1) {
    us = Math.min(us, cpuOf(() => read(text)).us);
  }
  return { what, bytes: text.length, us, told: JSON.stringify(result)?.length ?? 0 };
}
