import type { Instance } from '../base/instances';
import { type AnswerRules, joinEntries, type ParsedHealth, parseHealth } from './health-answer';
import { parseEntry } from './health-entry';

/**
 * Reads the health answers of one query, each with the knowledge of the one before: of a large answer only those
 * entries are parsed whose bytes have changed, and the event loop has its turn in between. Yields what `parseHealth`
 * yields.
 */
interface AnswerReader {
  /** One at a time. `before` are the instances of the last good answer. Small answers are read at once. */
  read(body: Buffer, datacenter: string, before: readonly Instance[]): ParsedHealth | Promise<ParsedHealth>;
}

/** One answer as it was read, entry by entry. */
interface Reading {
  readonly body: Buffer;
  readonly datacenter: string;
  /** Where the entries begin and end. */
  readonly starts: readonly number[];
  readonly ends: readonly number[];
  /** What they say; undefined: not to be used. */
  readonly instances: readonly (Instance | undefined)[];
  readonly faults: readonly string[];
  /** Where an instance stands. */
  readonly places: ReadonlyMap<string, number>;
}

/** Up to here an answer takes a millisecond or two as a whole. */
const SMALL_BYTES = 128 * 1024;
/** How long the event loop may be kept. */
const SLICE_MS = 8;
const ENTRIES_A_LOOK_AT_THE_CLOCK = 32;
/** Entries that may be missing in a row before the rest is looked up by key. */
const LOOKAHEAD = 4;

/** `asked`: what the answers are answers to. */
export function createAnswerReader(asked: AnswerRules = {}): AnswerReader {
  let former: Reading | undefined;

  const readLarge = async (body: Buffer, datacenter: string, before: readonly Instance[]): Promise<ParsedHealth> => {
    const reading = await readEntries(body, datacenter, asked, former?.datacenter === datacenter ? former : undefined);
    // Not an array of objects as Consul writes it: judged as a whole, like any other text.
    if (reading === undefined) return parseHealth(body.toString('utf8'), datacenter, before, asked);
    former = reading;
    await turn();
    const joined = joinEntries(reading.instances, before, reading.faults);
    // What others make of it takes as long again.
    await turn();
    return joined;
  };

  return {
    read(body, datacenter, before) {
      if (body.length > SMALL_BYTES) return readLarge(body, datacenter, before);
      former = undefined;
      return parseHealth(body.toString('utf8'), datacenter, before, asked);
    },
  };
}

async function readEntries(
  body: Buffer,
  datacenter: string,
  asked: AnswerRules,
  former: Reading | undefined,
): Promise<Reading | undefined> {
  const starts: number[] = [];
  const ends: number[] = [];
  const instances: (Instance | undefined)[] = [];
  const faults: string[] = [];
  const rules = { ...asked, onFault: (fault: string) => void faults.push(fault) };
  const places = new Map<string, number>();
  let expected = 0;
  let sliceBeganMs = performance.now();
  let at = enterArray(body);
  while (at >= 0 && !isArrayEnd(body, at)) {
    const same = former === undefined ? -1 : sameEntry(body, at, former, expected);
    let instance: Instance | undefined;
    let end: number;
    const known = same < 0 ? undefined : former?.instances[same];
    // One that cannot be used is read again, for its fault.
    if (former !== undefined && known !== undefined) {
      instance = known;
      end = at + (former.ends[same] as number) - (former.starts[same] as number);
      expected = same + 1;
    } else {
      end = entryEnd(body, at);
      const entry = end < 0 ? undefined : parse(body, at, end);
      if (entry === undefined) return undefined;
      instance = parseEntry(entry.value, datacenter, rules);
      const place = same >= 0 ? same : instance === undefined ? undefined : former?.places.get(instance.key);
      if (place !== undefined) expected = place + 1;
    }
    if (instance !== undefined) places.set(instance.key, instances.length);
    starts.push(at);
    ends.push(end);
    instances.push(instance);
    at = nextEntry(body, end);
    if (instances.length % ENTRIES_A_LOOK_AT_THE_CLOCK === 0 && performance.now() - sliceBeganMs >= SLICE_MS) {
      await turn();
      sliceBeganMs = performance.now();
    }
  }
  if (at < 0 || !endsThere(body, at)) return undefined;
  return { body, datacenter, starts, ends, instances, faults, places };
}

/** Which entry of the former answer stands at `at` byte for byte, from `expected` on; -1: none that is near. */
function sameEntry(body: Buffer, at: number, former: Reading, expected: number): number {
  const last = Math.min(expected + LOOKAHEAD, former.starts.length);
  for (let index = expected; index < last; index += 1) {
    const start = former.starts[index] as number;
    const end = former.ends[index] as number;
    const bodyEnd = at + end - start;
    if (bodyEnd <= body.length && body.compare(former.body, start, end, at, bodyEnd) === 0) return index;
  }
  return -1;
}

function parse(body: Buffer, start: number, end: number): { readonly value: unknown } | undefined {
  try {
    return { value: JSON.parse(body.toString('utf8', start, end)) };
  } catch {
    return undefined;
  }
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

const QUOTE = 0x22;
const COMMA = 0x2c;
const BACKSLASH = 0x5c;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

/**
 * Where the entries of a JSON array of objects begin and end, found without parsing them. Every function takes a
 * position in bytes and gives the next one, or -1 when the text is not of that shape; what is between the braces is not
 * judged.
 */

/** Behind the opening bracket, at the first entry or the closing bracket. */
function enterArray(body: Buffer): number {
  const at = skipSpace(body, 0);
  return body[at] === OPEN_BRACKET ? skipSpace(body, at + 1) : -1;
}

/** Behind the brace that closes the object that begins at `start`. */
function entryEnd(body: Buffer, start: number): number {
  if (body[start] !== OPEN_BRACE) return -1;
  let depth = 0;
  for (let at = start; at < body.length; at += 1) {
    const byte = body[at];
    if (byte === QUOTE) {
      at = stringEnd(body, at);
      if (at < 0) return -1;
    } else if (byte === OPEN_BRACE) depth += 1;
    else if (byte === CLOSE_BRACE) {
      depth -= 1;
      if (depth === 0) return at + 1;
    }
  }
  return -1;
}

/** From behind an entry to the beginning of the next one, or to the closing bracket. */
function nextEntry(body: Buffer, end: number): number {
  const at = skipSpace(body, end);
  if (body[at] === CLOSE_BRACKET) return at;
  if (body[at] !== COMMA) return -1;
  const next = skipSpace(body, at + 1);
  return body[next] === OPEN_BRACE ? next : -1;
}

function isArrayEnd(body: Buffer, at: number): boolean {
  return body[at] === CLOSE_BRACKET;
}

/** Whether nothing but space follows the closing bracket. */
function endsThere(body: Buffer, at: number): boolean {
  return skipSpace(body, at + 1) === body.length;
}

/** At the quote that closes the string whose opening quote is at `start`. */
function stringEnd(body: Buffer, start: number): number {
  for (let at = start + 1; at < body.length; at += 1) {
    const byte = body[at];
    if (byte === QUOTE) return at;
    if (byte === BACKSLASH) at += 1;
  }
  return -1;
}

function skipSpace(body: Buffer, from: number): number {
  let at = from;
  while (body[at] === 0x20 || body[at] === 0x0a || body[at] === 0x0d || body[at] === 0x09) at += 1;
  return at;
}
