import { STATUS_NAMES } from '../../src/base/status-names';
import type { StatusName } from '../../src/policy/document';
import type { Field, RawStream } from '../support/raw-http2-server';

export const KINDS = ['unary', 'client streaming', 'server streaming', 'bidi'] as const;
export type CallKind = (typeof KINDS)[number];

/** How far the server has come when the ending takes place. `after a message`: of a stream's three, the first. */
const POSITIONS = ['during the upload', 'before headers', 'after headers', 'after a message'] as const;
export type Position = (typeof POSITIONS)[number];

/** How a call ends, whoever ends it. */
export interface Ending {
  readonly name: string;
  readonly positions: readonly Position[];
  /** Who ends the call. `deadline`, `cancel`: the caller, once the server is at the position and silent. */
  readonly by: 'server' | 'deadline' | 'cancel';
  readonly end: (stream: RawStream, kind: CallKind) => void;
  /** No application can have seen the request, provided that nothing was sent back before. */
  readonly isUnprocessed: boolean;
  /** The connection or the stream breaks off: the server itself says no status. gRPC code that grpc-js makes of it. */
  readonly breaksWith: StatusName | undefined;
  /** It is an answer with status OK. */
  readonly isAnswer: boolean;
  /** It has a message more than a method with one response may have: grpc-js then waits for the deadline. */
  readonly isMessageTooMany: boolean;
  /** What the first request meets instead, where that is something else. */
  readonly first: Ending | undefined;
}

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
  return STATUS_NAMES.flatMap((name, index) => [
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

export const ENDINGS: readonly Ending[] = [
  ANSWER,
  ...statuses(),
  ...resets(),
  ...connectionEndings(),
  ...wrongAnswers(),
  ...unprocessedThenUnavailable(),
  ending('silence until the deadline', { by: 'deadline' }),
  ending("silence until the caller's cancel", { by: 'cancel' }),
];
