import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';

/**
 * An HTTP/2 server over TCP that writes each frame by hand (RFC 9113), for what neither grpc-js nor node:http2 servers
 * can be asked to do: any reset code at any point, a GOAWAY with any last stream ID, a connection that is cut between
 * two frames. It does not decode request headers: a test that uses it knows which call it makes.
 */
export interface RawServer {
  readonly port: number;
  /** Oldest first; closed ones stay in the list. */
  readonly connections: readonly RawConnection[];
  /** Resolves when a client has finished the handshake of its first connection. */
  readonly connected: Promise<void>;
  /** Destroys all connections and stops listening. */
  close(): void;
}

export interface RawServerOptions {
  /** Called when the headers of a request have arrived. */
  readonly onStream: (stream: RawStream) => void;
  /** Called for each PING of the client that is no acknowledgement, after it was acknowledged. */
  readonly onPing?: (connection: RawConnection) => void;
  /** Called for each HEADERS and DATA frame that the server writes. */
  readonly onResponse?: (connection: RawConnection) => void;
  /** Default 0: a free one. */
  readonly port?: number;
  /** Default `127.0.0.1`. */
  readonly host?: string;
}

export type Field = readonly [name: string, value: string];

const PREFACE_BYTES = 24;
const FRAME_HEADER_BYTES = 9;
const DATA = 0;
const HEADERS = 1;
const RST_STREAM = 3;
const SETTINGS = 4;
const PING = 6;
const GOAWAY = 7;
const WINDOW_UPDATE = 8;
const END_STREAM = 1;
const ACK = 1;
const END_HEADERS = 4;

export async function startRawServer(options: RawServerOptions): Promise<RawServer> {
  const connections: RawConnection[] = [];
  let handshaken = (): void => {};
  const connected = new Promise<void>((resolve) => {
    handshaken = resolve;
  });
  const listener = createServer((socket) => connections.push(new RawConnection(socket, options, handshaken)));
  listener.listen(options.port ?? 0, options.host ?? '127.0.0.1');
  await once(listener, 'listening');
  return {
    port: (listener.address() as AddressInfo).port,
    connections,
    connected,
    close: () => {
      for (const connection of connections) connection.destroy();
      listener.close();
    },
  };
}

export class RawConnection {
  readonly streams: Map<number, RawStream> = new Map<number, RawStream>();
  readonly closed: Promise<void>;
  /** Pings of the client, without acknowledgements. */
  pings = 0;
  readonly #socket: Socket;
  readonly #options: RawServerOptions;
  readonly #handshaken: () => void;
  readonly #roundTrips: (() => void)[] = [];
  #unread: Buffer = Buffer.alloc(0);
  #prefaceRead = false;
  #isClosed = false;

  constructor(socket: Socket, options: RawServerOptions, handshaken: () => void) {
    this.#socket = socket;
    this.#options = options;
    this.#handshaken = handshaken;
    socket.setNoDelay(true);
    socket.on('error', () => {});
    socket.on('data', (chunk: Buffer) => this.#read(chunk));
    this.closed = new Promise((resolve) => {
      socket.once('close', () => {
        this.#isClosed = true;
        for (const done of this.#roundTrips.splice(0)) done();
        resolve();
      });
    });
    this.write(SETTINGS, 0, 0);
  }

  get openStreams(): number {
    let open = 0;
    for (const { isDone } of this.streams.values()) if (!isDone) open += 1;
    return open;
  }

  write(type: number, flags: number, streamId: number, payload: Buffer = Buffer.alloc(0)): void {
    if (this.#isClosed || this.#socket.destroyed) return;
    const header = Buffer.alloc(FRAME_HEADER_BYTES);
    header.writeUIntBE(payload.length, 0, 3);
    header[3] = type;
    header[4] = flags;
    header.writeUInt32BE(streamId, 5);
    this.#socket.write(Buffer.concat([header, payload]));
    if (type === HEADERS || type === DATA) this.#options.onResponse?.(this);
  }

  /** Resolves when the client has read everything that was written before, or the connection has closed. */
  roundTrip(): Promise<void> {
    if (this.#isClosed) return Promise.resolve();
    return new Promise((resolve) => {
      this.#roundTrips.push(resolve);
      this.write(PING, 0, 0, Buffer.alloc(8));
    });
  }

  /** Streams above `lastStreamId` were not processed. */
  goaway(lastStreamId: number, code: number, debugData = ''): void {
    this.write(GOAWAY, 0, 0, Buffer.concat([uint32(lastStreamId), uint32(code), Buffer.from(debugData)]));
  }

  /** Ends the TCP connection with FIN. */
  destroy(): void {
    this.#socket.destroy();
  }

  /** Ends the TCP connection with RST. */
  reset(): void {
    this.#socket.resetAndDestroy();
  }

  #read(chunk: Buffer): void {
    this.#unread = this.#unread.length === 0 ? chunk : Buffer.concat([this.#unread, chunk]);
    if (!this.#prefaceRead) {
      if (this.#unread.length < PREFACE_BYTES) return;
      this.#unread = this.#unread.subarray(PREFACE_BYTES);
      this.#prefaceRead = true;
    }
    while (this.#unread.length >= FRAME_HEADER_BYTES) {
      const end = FRAME_HEADER_BYTES + this.#unread.readUIntBE(0, 3);
      if (this.#unread.length < end) return;
      const frame = this.#unread.subarray(0, end);
      this.#unread = this.#unread.subarray(end);
      const streamId = frame.readUInt32BE(5) & 0x7fff_ffff;
      this.#receive(frame[3] ?? 0, frame[4] ?? 0, streamId, frame.subarray(FRAME_HEADER_BYTES));
    }
  }

  #receive(type: number, flags: number, streamId: number, payload: Buffer): void {
    switch (type) {
      case SETTINGS:
        if ((flags & ACK) === 0) this.write(SETTINGS, ACK, 0);
        else this.#handshaken();
        return;
      case PING:
        if ((flags & ACK) !== 0) {
          this.#roundTrips.shift()?.();
          return;
        }
        this.pings += 1;
        this.write(PING, ACK, 0, payload);
        this.#options.onPing?.(this);
        return;
      case HEADERS: {
        const stream = new RawStream(this, streamId);
        this.streams.set(streamId, stream);
        this.#options.onStream(stream);
        if ((flags & END_STREAM) !== 0) stream.requestEndedNow();
        return;
      }
      case DATA: {
        if (payload.length > 0) {
          this.write(WINDOW_UPDATE, 0, 0, uint32(payload.length));
          if ((flags & END_STREAM) === 0) this.write(WINDOW_UPDATE, 0, streamId, uint32(payload.length));
        }
        const stream = this.streams.get(streamId);
        if (payload.length > 0) stream?.requestArrivedNow(payload);
        if ((flags & END_STREAM) !== 0) stream?.requestEndedNow();
        return;
      }
      case RST_STREAM:
        this.streams.get(streamId)?.resetByClientNow(payload.readUInt32BE(0));
        return;
      default:
    }
  }
}

/** One request. What is written after its end, or after the end of its connection, is dropped. */
export class RawStream {
  readonly connection: RawConnection;
  readonly id: number;
  /** The first bytes of the request's body are here. */
  readonly requestArrived: Promise<void>;
  /** The request is whole. */
  readonly requestEnded: Promise<void>;
  isDone = false;
  /** The HTTP/2 code by which the client ended it. */
  resetByClient: number | undefined;
  /** The first bytes of the request's body. */
  firstBytes: Buffer | undefined;
  requestEndedNow: () => void = () => {};
  #arrived: () => void = () => {};

  constructor(connection: RawConnection, id: number) {
    this.connection = connection;
    this.id = id;
    this.requestArrived = new Promise((resolve) => {
      this.#arrived = resolve;
    });
    this.requestEnded = new Promise((resolve) => {
      this.requestEndedNow = resolve;
    });
  }

  requestArrivedNow(bytes: Buffer): void {
    this.firstBytes ??= bytes;
    this.#arrived();
  }

  resetByClientNow(code: number): void {
    this.resetByClient = code;
    this.isDone = true;
    this.#arrived();
    this.requestEndedNow();
  }

  /** Response headers, or trailers. */
  headers(fields: readonly Field[], end = false): void {
    if (this.isDone) return;
    this.connection.write(HEADERS, END_HEADERS | (end ? END_STREAM : 0), this.id, encodeFields(fields));
    this.isDone = end;
  }

  /** A gRPC message with its five bytes before it. `claimedLength` lies about the body's. */
  message(body: Buffer, { isCompressed = false, claimedLength = body.length } = {}): void {
    this.data(Buffer.concat([Buffer.of(isCompressed ? 1 : 0), uint32(claimedLength), body]));
  }

  data(bytes: Buffer, end = false): void {
    if (this.isDone) return;
    this.connection.write(DATA, end ? END_STREAM : 0, this.id, bytes);
    this.isDone = end;
  }

  reset(code: number): void {
    if (this.isDone) return;
    this.connection.write(RST_STREAM, 0, this.id, uint32(code));
    this.isDone = true;
  }
}

/** HPACK (RFC 7541, section 6.2.2): each field is a literal with a new name, not indexed, without Huffman coding. */
function encodeFields(fields: readonly Field[]): Buffer {
  return Buffer.concat(fields.flatMap((field) => [Buffer.of(0), ...field.map(encodeText)]));
}

function encodeText(text: string): Buffer {
  const bytes = Buffer.from(text, 'latin1');
  if (bytes.length >= 127) throw new Error(`a header field of ${bytes.length} bytes (expected: less than 127)`);
  return Buffer.concat([Buffer.of(bytes.length), bytes]);
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
