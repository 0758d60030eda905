import { seededRandom } from '../../src/internal/random';
import type { StatusName } from '../../src/policy/document';
import type { Field, RawStream } from '../support/raw-http2-server';

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
export const WAYS = ['client options', 'channel()', 'bare target'] as const;
export type Way = (typeof WAYS)[number];

export const KINDS = ['unary', 'client streaming', 'server streaming', 'bidi'] as const;
export type CallKind = (typeof KINDS)[number];

/** How far the server has come when the ending takes place. `after a message`: of a stream's three, the first. */
const POSITIONS = ['during the upload', 'before headers', 'after headers', 'after a message'] as const;
export type Position = (typeof POSITIONS)[number];

/** `once`, `twice`: the first requests meet the ending, the others are answered. */
export type Repetition = 'always' | 'once' | 'twice';

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

export interface Ending {
  readonly name: string;
  readonly positions: readonly Position[];
  /** Who ends the call. `deadline`, `cancel`: the caller, once the server has come to the position and fallen silent. */
  readonly by: 'server' | 'deadline' | 'cancel';
  readonly end: (stream: RawStream, kind: CallKind) => void;
  /** No application can have seen the request, provided that nothing was sent back before. */
  readonly isUnprocessed: boolean;
  /** The connection or the stream breaks off: the server itself says no status. gRPC code that grpc-js makes of it. */
  readonly breaksWith: StatusName | undefined;
  /** It is an answer with status OK. */
  readonly isAnswer: boolean;
  /** It says OK, with a message more than a method with one response has: grpc-js waits for the caller's deadline then. */
  readonly isMessageTooMany: boolean;
  /** What the first request meets instead, where that is something else. */
  readonly first: Ending | undefined;
}

export const STATUS_CODES: readonly StatusName[] = [
  'CANCELLED',
  'UNKNOWN',
  'INVALID_ARGUMENT',
  'DEADLINE_EXCEEDED',
  'NOT_FOUND',
  'ALREADY_EXISTS',
  'PERMISSION_DENIED',
  'RESOURCE_EXHAUSTED',
  'FAILED_PRECONDITION',
  'ABORTED',
  'OUT_OF_RANGE',
  'UNIMPLEMENTED',
  'INTERNAL',
  'UNAVAILABLE',
  'DATA_LOSS',
  'UNAUTHENTICATED',
];

/** RFC 9113, section 7, and what grpc-js makes of each (gRPC over HTTP/2, "HTTP2 Transport Mapping"). */
const RESET_CODES: readonly (readonly [name: string, status: StatusName])[] = [
  ['NO_ERROR', 'INTERNAL'],
  ['PROTOCOL_ERROR', 'INTERNAL'],
  ['INTERNAL_ERROR', 'INTERNAL'],
  ['FLOW_CONTROL_ERROR', 'INTERNAL'],
  ['SETTINGS_TIMEOUT', 'INTERNAL'],
  ['STREAM_CLOSED', 'INTERNAL'],
  ['FRAME_SIZE_ERROR', 'INTERNAL'],
  ['REFUSED_STREAM', 'UNAVAILABLE'],
  ['CANCEL', 'CANCELLED'],
  ['COMPRESSION_ERROR', 'INTERNAL'],
  ['CONNECT_ERROR', 'INTERNAL'],
  ['ENHANCE_YOUR_CALM', 'RESOURCE_EXHAUSTED'],
  ['INADEQUATE_SECURITY', 'PERMISSION_DENIED'],
  ['HTTP_1_1_REQUIRED', 'INTERNAL'],
];

const NO_ERROR = 0;
const ENHANCE_YOUR_CALM = 11;
const REFUSED_STREAM = 7;
const FROM_HEADERS: readonly Position[] = ['after headers', 'after a message'];
const GRPC_HEADERS: readonly Field[] = [
  [':status', '200'],
  ['content-type', 'application/grpc'],
  ['x-header', 'sent'],
];
/** Fields 15 and 1 of wire types that do not exist. */
const NO_PROTOBUF = Buffer.of(0x7f, 0xff, 0x0f);

export function sendHeaders(stream: RawStream): void {
  stream.headers(GRPC_HEADERS);
}

/** An empty message: all fields have their defaults. */
export function sendMessage(stream: RawStream): void {
  stream.message(Buffer.alloc(0));
}

export function hasManyMessages(kind: CallKind): boolean {
  return kind === 'server streaming' || kind === 'bidi';
}

export function hasUpload(kind: CallKind): boolean {
  return kind === 'client streaming' || kind === 'bidi';
}

/** Sends what a whole answer still needs, and status OK. */
export function answer(stream: RawStream, kind: CallKind, position: Position): void {
  const hasHeaders = FROM_HEADERS.includes(position);
  if (!hasHeaders) sendHeaders(stream);
  const wanted = hasManyMessages(kind) ? 3 : 1;
  for (let sent = position === 'after a message' ? 1 : 0; sent < wanted; sent += 1) sendMessage(stream);
  endWith(stream, 0, true);
}

/** Trailers, or, where no headers were sent, headers and trailers in one. */
function endWith(stream: RawStream, status: number, hasHeaders: boolean): void {
  stream.headers(
    [
      ...(hasHeaders ? [] : GRPC_HEADERS),
      ['grpc-status', String(status)],
      ['grpc-message', 'as told'],
      ['x-trailer', 'sent'],
    ],
    true,
  );
}

function ending(name: string, rest: Partial<Ending>): Ending {
  return {
    name,
    positions: POSITIONS,
    by: 'server',
    end: () => {},
    isUnprocessed: false,
    breaksWith: undefined,
    isAnswer: false,
    isMessageTooMany: false,
    first: undefined,
    ...rest,
  };
}

function statuses(): Ending[] {
  return STATUS_CODES.flatMap((name, index) => [
    ending(`trailers-only ${name}`, {
      positions: ['during the upload', 'before headers'],
      end: (stream) => endWith(stream, index + 1, false),
    }),
    ending(`trailers ${name}`, { positions: FROM_HEADERS, end: (stream) => endWith(stream, index + 1, true) }),
  ]);
}

function resets(): Ending[] {
  return RESET_CODES.map(([name, breaksWith], code) =>
    ending(`RST_STREAM ${code} ${name}`, {
      breaksWith,
      isUnprocessed: code === REFUSED_STREAM,
      end: (stream) => stream.reset(code),
    }),
  );
}

const UNCOVERED = ending('GOAWAY that does not cover the stream', {
  breaksWith: 'UNAVAILABLE',
  isUnprocessed: true,
  end: ({ connection, id }) => connection.goaway(id - 1, NO_ERROR),
});

const COVERED_POSITIONS: readonly Position[] = ['before headers', ...FROM_HEADERS];

function connectionEndings(): Ending[] {
  return [
    UNCOVERED,
    ...COVERED_POSITIONS.map((position) =>
      ending('GOAWAY that covers the stream, then the answer', {
        positions: [position],
        isAnswer: true,
        end: (stream, kind) => {
          stream.connection.goaway(stream.id, NO_ERROR);
          answer(stream, kind, position);
        },
      }),
    ),
    ending('GOAWAY ENHANCE_YOUR_CALM', {
      breaksWith: 'RESOURCE_EXHAUSTED',
      end: ({ connection, id }) => connection.goaway(id, ENHANCE_YOUR_CALM, 'too_many_pings'),
    }),
    ending('connection closed', { breaksWith: 'UNAVAILABLE', end: ({ connection }) => connection.destroy() }),
    ending('connection reset', { breaksWith: 'UNAVAILABLE', end: ({ connection }) => connection.reset() }),
  ];
}

function wrongAnswers(): Ending[] {
  const message = (name: string, send: (stream: RawStream) => void): Ending =>
    ending(name, {
      positions: FROM_HEADERS,
      isMessageTooMany: true,
      end: (stream) => {
        send(stream);
        endWith(stream, 0, true);
      },
    });
  return [
    message('message that is no protobuf', (stream) => stream.message(NO_PROTOBUF)),
    message('message that is cut short', (stream) => stream.message(NO_PROTOBUF, { claimedLength: 100 })),
    message('message above the limit', (stream) => stream.message(NO_PROTOBUF, { claimedLength: 0x7fff_ffff })),
    message('message compressed without a name', (stream) => stream.message(NO_PROTOBUF, { isCompressed: true })),
    ending('trailers-only OK without message', {
      positions: ['before headers'],
      end: (stream) => endWith(stream, 0, false),
    }),
    ending('OK without message', { positions: ['after headers'], end: (stream) => endWith(stream, 0, true) }),
    ending('end of stream without status', {
      positions: FROM_HEADERS,
      breaksWith: 'INTERNAL',
      end: (stream) => stream.data(Buffer.alloc(0), true),
    }),
    ...[404, 429, 502, 503].flatMap((status) => {
      const fields: readonly Field[] = [
        [':status', String(status)],
        ['content-type', 'text/html'],
      ];
      return [
        ending(`HTTP ${status}`, { positions: ['before headers'], end: (stream) => stream.headers(fields, true) }),
        ending(`HTTP ${status} with a page`, {
          positions: ['before headers'],
          end: (stream) => {
            stream.headers(fields);
            stream.data(Buffer.from('<html>no gRPC here</html>'), true);
          },
        }),
      ];
    }),
  ];
}

function unprocessedThenUnavailable(): Ending[] {
  const unavailable = statuses().find(({ name }) => name === 'trailers-only UNAVAILABLE');
  const refusals = [...resets(), UNCOVERED].filter(({ isUnprocessed }) => isUnprocessed);
  return refusals.map((first) =>
    ending('', { ...unavailable, name: `${first.name}, then UNAVAILABLE`, positions: ['before headers'], first }),
  );
}

export const ANSWER: Ending = ending('answer', {
  positions: ['before headers'],
  isAnswer: true,
  end: (stream, kind) => answer(stream, kind, 'before headers'),
});

const ENDINGS: readonly Ending[] = [
  ANSWER,
  ...statuses(),
  ...resets(),
  ...connectionEndings(),
  ...wrongAnswers(),
  ...unprocessedThenUnavailable(),
  ending('silence until the deadline', { by: 'deadline' }),
  ending("silence until the caller's cancel", { by: 'cancel' }),
];

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
