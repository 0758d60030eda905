import { seededRandom } from '../../src/base/random';
import type { StatusName } from '../../src/policy/document';
import { type CallKind, ENDINGS, type Ending, hasManyMessages, hasUpload, KINDS, type Position } from './endings';

/** One cell of the matrix: a kind of call, how it ends, where, how often, and what was said of retries. */
export interface Cell {
  readonly kind: CallKind;
  readonly ending: Ending;
  readonly position: Position;
  readonly repetition: Repetition;
  readonly retry: Retry;
  readonly way: Way;
}

/** How Graylane comes into the call. */
type Way = 'client options' | 'channel()' | 'bare target';

/** `once`, `twice`: the first requests meet the ending, the others are answered. */
type Repetition = 'always' | 'once' | 'twice';

export interface Retry {
  readonly name: string;
  /** Empty: the service config of grpc-js says nothing of retries. */
  readonly codes: readonly StatusName[];
  /** The policy of Graylane says `retry: off` rather than nothing. */
  readonly isOff: boolean;
  /** `grpc.enable_retries: 0`, which wins over what the codes say. */
  readonly isDisabled: boolean;
}

export const MAX_ATTEMPTS = 3;

const NO_RETRY: Retry = { name: 'no retry', codes: [], isOff: false, isDisabled: false };
const RETRY_OFF: Retry = { ...NO_RETRY, name: 'retry off', isOff: true };
const RETRY_UNAVAILABLE: Retry = { ...NO_RETRY, name: 'retry on UNAVAILABLE', codes: ['UNAVAILABLE'] };
const RETRY_SEVERAL: Retry = {
  ...NO_RETRY,
  name: 'retry on several codes',
  codes: ['UNAVAILABLE', 'INTERNAL', 'RESOURCE_EXHAUSTED', 'CANCELLED', 'ABORTED', 'DEADLINE_EXCEEDED'],
};
const RETRIES_DISABLED: Retry = { ...RETRY_UNAVAILABLE, name: 'retries disabled', isDisabled: true };

/** These alone are tried by every way in, and with `retry: off` too. */
const COMMON = [
  'answer',
  'trailers-only UNAVAILABLE',
  'trailers UNAVAILABLE',
  'trailers CANCELLED',
  'RST_STREAM 2 INTERNAL_ERROR',
  'RST_STREAM 7 REFUSED_STREAM',
  'GOAWAY that does not cover the stream',
  'connection closed',
  'silence until the deadline',
];

const ALWAYS_TRIED = ['trailers-only UNAVAILABLE', 'RST_STREAM 7 REFUSED_STREAM', 'connection closed'];

export function nameOf({ kind, ending: { name }, position, repetition, retry, way }: Cell): string {
  return `${kind}, ${name}, ${position}, ${repetition}, ${retry.name}, ${way}`;
}

export function allCells(): Cell[] {
  const common = ENDINGS.filter(({ name }) => COMMON.includes(name));
  const retries = [NO_RETRY, RETRY_UNAVAILABLE, RETRY_SEVERAL, RETRIES_DISABLED];
  return [
    ...cellsOf(ENDINGS, retries, 'client options'),
    ...cellsOf(common, [RETRY_OFF], 'client options'),
    ...cellsOf(common, [NO_RETRY, RETRY_UNAVAILABLE], 'channel()'),
  ];
}

/** A bare target finds its client only while no other is open: these cannot run beside one another. */
export function bareTargetCells(): Cell[] {
  const common = ENDINGS.filter(({ name }) => COMMON.includes(name));
  return cellsOf(common, [NO_RETRY, RETRY_UNAVAILABLE], 'bare target');
}

function cellsOf(endings: readonly Ending[], retries: readonly Retry[], way: Way): Cell[] {
  const cells: Cell[] = [];
  for (const kind of KINDS) {
    for (const each of endings) {
      for (const position of each.positions) {
        if (position === 'during the upload' && !hasUpload(kind)) continue;
        for (const repetition of repetitionsOf(kind, each, position)) {
          for (const retry of retries) cells.push({ kind, ending: each, position, repetition, retry, way });
        }
      }
    }
  }
  return cells;
}

/** An answer, or a call that ends at the caller's side, is not repeated. */
function repetitionsOf(kind: CallKind, each: Ending, position: Position): readonly Repetition[] {
  if (each.isAnswer || endsAtCaller(kind, each, position) || each.first !== undefined) return ['always'];
  return each.isUnprocessed && position === 'before headers' ? ['always', 'once', 'twice'] : ['always', 'once'];
}

export function endsAtCaller(kind: CallKind, { by, isMessageTooMany }: Ending, position: Position): boolean {
  return by !== 'server' || (isMessageTooMany && position === 'after a message' && !hasManyMessages(kind));
}

/**
 * What a normal run has time for: all cells of what no application can have seen and of what a server that dies leaves
 * behind, and of each kind, ending and position one more cell.
 */
export function sliceOf(cells: readonly Cell[], seed: number): Cell[] {
  const random = seededRandom(seed);
  const groups = new Map<string, Cell[]>();
  const slice: Cell[] = [];
  for (const cell of cells) {
    const { kind, ending: each, position, way } = cell;
    if (way === 'client options' && ALWAYS_TRIED.includes(each.name)) {
      slice.push(cell);
      continue;
    }
    const name = `${kind}, ${each.name}, ${position}`;
    groups.set(name, [...(groups.get(name) ?? []), cell]);
  }
  for (const group of groups.values()) slice.push(group[Math.floor(random() * group.length)] as Cell);
  return slice;
}
