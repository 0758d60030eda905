import { type RawConnection, type RawServer, type RawStream, startRawServer } from './raw-http2-server';

/**
 * A server that enforces keepalive as grpc-go, grpc-java and C-core do, and as neither grpc-js nor node:http2 servers
 * can: a client that pings too often without being sent anything gets GOAWAY ENHANCE_YOUR_CALM, and its connection is
 * closed.
 * https://github.com/grpc/proposal/blob/master/A8-client-side-keepalive.md#server-enforcement
 */
export interface EnforcingServer extends RawServer {
  /** Connections that were ended for too many pings. */
  readonly goaways: number;
  /** Pings of all clients so far. */
  readonly pings: number;
}

export interface EnforcingOptions {
  readonly onStream: (stream: RawStream) => void;
  /** Shortest time between two pings while a stream is open. Default 300,000 ms, as in the three. */
  readonly minTimeMs?: number;
  /** Pings that may come too soon. Default 2, as in the three. */
  readonly strikes?: number;
  /** Default true, as in the three: nothing came before it that it could be too close to. */
  readonly isFirstPingFree?: boolean;
}

/** Without a stream no ping is due for so long. */
const IDLE_MIN_TIME_MS = 7_200_000;
const ENHANCE_YOUR_CALM = 11;

interface Account {
  lastPingAtMs: number;
  strikes: number;
  wasSentSomething: boolean;
}

export async function startEnforcingServer(options: EnforcingOptions): Promise<EnforcingServer> {
  const { onStream, minTimeMs = 300_000, strikes = 2, isFirstPingFree = true } = options;
  const accounts = new Map<RawConnection, Account>();
  let goaways = 0;
  const accountOf = (connection: RawConnection): Account => {
    const known = accounts.get(connection);
    if (known !== undefined) return known;
    const account = {
      lastPingAtMs: isFirstPingFree ? Number.NEGATIVE_INFINITY : performance.now(),
      strikes: 0,
      wasSentSomething: false,
    };
    accounts.set(connection, account);
    return account;
  };
  const server = await startRawServer({
    onStream: (stream) => {
      accountOf(stream.connection);
      onStream(stream);
    },
    onResponse: (connection) => {
      accountOf(connection).wasSentSomething = true;
    },
    onPing: (connection) => {
      const account = accountOf(connection);
      const nowMs = performance.now();
      const sinceMs = nowMs - account.lastPingAtMs;
      account.lastPingAtMs = nowMs;
      if (account.wasSentSomething) {
        account.wasSentSomething = false;
        account.strikes = 0;
        return;
      }
      if (sinceMs < (connection.openStreams > 0 ? minTimeMs : IDLE_MIN_TIME_MS)) account.strikes += 1;
      if (account.strikes <= strikes) return;
      goaways += 1;
      connection.goaway(Math.max(0, ...connection.streams.keys()), ENHANCE_YOUR_CALM, 'too_many_pings');
      connection.destroy();
    },
  });
  return {
    ...server,
    get goaways() {
      return goaways;
    },
    get pings() {
      return server.connections.reduce((sum, { pings }) => sum + pings, 0);
    },
  };
}
