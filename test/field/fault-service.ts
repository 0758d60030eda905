import { type RawServer, type RawStream, startRawServer } from '../support/raw-http2-server';
import type { Cell } from './cells';
import { answer, type Ending, hasManyMessages, type Position, sendHeaders, sendMessage } from './endings';

/** The instances of one cell, which all behave as the cell says. */
export interface FaultService {
  readonly host: string;
  readonly ports: readonly number[];
  /** Every instance has a connection whose handshake is done. */
  readonly connected: Promise<unknown>;
  /** The server has come to the position of the cell for the first time. */
  readonly reached: Promise<void>;
  /** The ending took place for the first time. */
  readonly ended: Promise<void>;
  /** The client has read all that the cell wants of the server, for the first time. */
  readonly isPlayed: boolean;
  /** Requests that an application can have seen. */
  readonly executions: number;
  /** Resolves when all that the clients sent so far has been read. */
  settle(): Promise<void>;
  close(): void;
}

/**
 * Thousands of ports are opened and closed here, and a client elsewhere on the machine may go on dialling an instance
 * that it lost. On Linux each process has an address of its own, so that none of those come here.
 */
const HOST =
  process.platform === 'linux' ? `127.66.${(process.pid >> 8) & 0xff}.${process.pid & 0xff || 1}` : '127.0.0.1';

/** A third instance: a call that two have refused can still be had from it. */
const INSTANCES = 3;
const EMPTY_MESSAGE = Buffer.alloc(5);
const NO_HEALTH_SERVICE = [
  [':status', '200'],
  ['content-type', 'application/grpc'],
  ['grpc-status', '12'],
] as const;

export async function startFaultService(cell: Cell): Promise<FaultService> {
  let requests = 0;
  let executions = 0;
  let isPlayed = false;
  let reachedNow = (): void => {};
  let endedNow = (): void => {};
  const reached = new Promise<void>((resolve) => {
    reachedNow = resolve;
  });
  const ended = new Promise<void>((resolve) => {
    endedNow = resolve;
  });
  const serve = async (stream: RawStream): Promise<void> => {
    await stream.requestArrived;
    if (isHealthCheck(stream)) {
      stream.headers(NO_HEALTH_SERVICE, true);
      return;
    }
    requests += 1;
    const ending = endingOf(cell, requests);
    if (ending === undefined) {
      executions += 1;
      await stream.requestEnded;
      answer(stream, cell.kind, 'before headers');
      return;
    }
    if (!isUnseen(ending, cell.position)) executions += 1;
    await comeTo(cell.position, stream, cell);
    reachedNow();
    if (ending.by === 'server') {
      ending.end(stream, cell.kind);
      await stream.connection.roundTrip();
      endedNow();
    }
    isPlayed = true;
  };
  const servers: RawServer[] = [];
  for (let index = 0; index < INSTANCES; index += 1) {
    servers.push(await startRawServer({ host: HOST, onStream: (stream) => void serve(stream) }));
  }
  return {
    host: HOST,
    ports: servers.map(({ port }) => port),
    connected: Promise.all(servers.map(({ connected }) => connected)),
    reached,
    ended,
    get isPlayed() {
      return isPlayed;
    },
    get executions() {
      return executions;
    },
    settle: async () => {
      await Promise.all(servers.flatMap(({ connections }) => connections.map((each) => each.roundTrip())));
    },
    close: () => {
      for (const server of servers) server.close();
    },
  };
}

/** Graylane asks endpoints that it suspects for their health: with an empty message, which no call of a cell has. */
function isHealthCheck({ firstBytes }: RawStream): boolean {
  return firstBytes?.equals(EMPTY_MESSAGE) === true;
}

/** Undefined: this request is answered. */
function endingOf({ ending, repetition }: Cell, request: number): Ending | undefined {
  if (repetition === 'once' && request > 1) return undefined;
  if (repetition === 'twice' && request > 2) return undefined;
  return request === 1 ? (ending.first ?? ending) : ending;
}

function isUnseen(ending: Ending, position: Position): boolean {
  return ending.isUnprocessed && (position === 'before headers' || position === 'during the upload');
}

/** The client has read what was sent before the ending is sent: no two frames of different meaning are read as one. */
async function comeTo(position: Position, stream: RawStream, cell: Cell): Promise<void> {
  if (position === 'during the upload') {
    await stream.requestArrived;
    return;
  }
  await stream.requestEnded;
  if (position === 'before headers') return;
  sendHeaders(stream);
  await stream.connection.roundTrip();
  if (position === 'after headers') return;
  sendMessage(stream);
  await stream.connection.roundTrip();
  if (hasManyMessages(cell.kind)) await stream.connection.roundTrip();
}
