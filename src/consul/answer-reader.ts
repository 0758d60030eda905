import type { Instance } from '../base/instances';
import { endsThere, enterArray, entryEnd, isArrayEnd, nextEntry } from './entry-scanner';
import { type AnswerRules, joinEntries, type ParsedHealth, parseHealth } from './parse-answer';
import { parseEntry } from './parse-entry';

/**
 * Reads the health answers of one query, each with the knowledge of the one before: of a large answer only those entries are
 * parsed whose bytes have changed, and the event loop has its turn in between. Yields what `parseHealth` yields.
 */
export interface AnswerReader {
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
