import { rename, rm, stat } from 'node:fs/promises';
import { createServer, type Http2Server, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import type { Clock, Timer } from '../../../base/clock';
import type { Coalescer } from './coalescer';
import {
  ANSWER_HEADER,
  ASK_LIMIT_BYTES,
  decodeAsk,
  encodeAnswer,
  type HostAnswer,
  LOST,
  SESSION_MEMORY_MB,
} from './protocol';

/** The socket of the process that asks Consul for the others. */
export interface Holder {
  /** Open questions of other processes. */
  readonly asked: number;
  /** Idempotent. The others notice at once. */
  close(): void;
}

/** A process that has not read an answer by then is let go, and asks for itself. */
const READ_LIMIT_MS = 10_000;
const UNREAD_LIMIT_BYTES = 64 * 1024 * 1024;
const CHECK_MS = 1_000;
/** Processes are often started at the same moment. */
const FIRST_CHECK_MS = 100;

export interface HolderDeps {
  readonly coalescer: Coalescer;
  readonly clock: Clock;
  /** The path leads to another process, or nowhere. The holder is closed. */
  readonly onReplaced: () => void;
}

let opened = 0;

/**
 * Listens beside `path` and moves there, over whatever a predecessor has left. Rejects when that is not possible. Of
 * several that do so at once the last one has the path, and the others see it within a second.
 */
export async function openHolder(
  path: string,
  isTaken: () => Promise<boolean>,
  deps: HolderDeps,
): Promise<Holder | undefined> {
  opened += 1;
  const bound = `${path}.${process.pid.toString(36)}-${opened.toString(36)}`;
  await rm(bound, { force: true });
  const { server, close, asked } = serve(deps);
  try {
    await listen(server, bound);
    // What was there may have been replaced meanwhile; from here to the renaming is a matter of microseconds.
    if (await isTaken()) {
      close();
      await rm(bound, { force: true });
      return undefined;
    }
    const { ino } = await stat(bound, { bigint: true });
    await rename(bound, path);
    const watches: Timer[] = [];
    let isClosed = false;
    const end = (): void => {
      if (isClosed) return;
      isClosed = true;
      for (const watch of watches) watch.cancel();
      close();
    };
    const isMine = async (): Promise<boolean> => {
      const found = await stat(path, { bigint: true }).catch(() => undefined);
      return found?.ino === ino;
    };
    const check = (): void => {
      void isMine().then((isStillMine) => {
        if (isStillMine || isClosed) return;
        end();
        deps.onReplaced();
      });
    };
    watches.push(deps.clock.setTimer(FIRST_CHECK_MS, check), deps.clock.setRepeating(CHECK_MS, check));
    return {
      get asked() {
        return asked();
      },
      close() {
        if (isClosed) return;
        end();
        // A successor that finds no socket need not try whether a process answers.
        void isMine().then((isStillMine) => (isStillMine ? rm(path, { force: true }) : undefined));
      },
    };
  } catch (error) {
    close();
    throw error;
  }
}

function serve({ coalescer, clock }: HolderDeps) {
  const sessions = new Set<ServerHttp2Session>();
  const unread = new WeakMap<object, number>();
  let open = 0;
  const server = createServer({ maxSessionMemory: SESSION_MEMORY_MB });
  server.unref();
  server.on('session', (session) => {
    sessions.add(session);
    // Serving others is no reason to stay alive.
    session.unref();
    session.on('error', () => {});
    session.on('close', () => sessions.delete(session));
  });
  server.on('sessionError', () => {});
  server.on('stream', (stream) => {
    const gone = new AbortController();
    open += 1;
    stream.on('error', () => {});
    stream.on('close', () => {
      open -= 1;
      gone.abort();
    });
    void readAsk(stream).then(async (ask) => {
      const answer = ask === undefined ? LOST : await coalescer.get(ask, gone.signal);
      if (!stream.destroyed) reply(stream, answer);
    });
  });

  const reply = (stream: ServerHttp2Stream, answer: HostAnswer): void => {
    const { session } = stream;
    if (answer === LOST || session === undefined) {
      stream.close();
      return;
    }
    const { header, body } = encodeAnswer(answer);
    const waiting = (unread.get(session) ?? 0) + body.length;
    unread.set(session, waiting);
    const drop = (): void => session.destroy();
    const late = clock.setTimer(READ_LIMIT_MS, drop);
    stream.on('close', () => {
      late.cancel();
      unread.set(session, (unread.get(session) ?? 0) - body.length);
    });
    if (waiting > UNREAD_LIMIT_BYTES) {
      drop();
      return;
    }
    stream.respond({ ':status': 200, [ANSWER_HEADER]: header });
    stream.end(body);
  };

  return {
    server,
    asked: () => open,
    close: () => {
      server.close();
      for (const session of sessions) session.destroy();
    },
  };
}

function listen(server: Http2Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    // A worker of node:cluster would otherwise ask its primary for the socket and share it with its siblings.
    server.listen({ path, exclusive: true }, () => {
      server.off('error', reject);
      server.on('error', () => {});
      resolve();
    });
  });
}

async function readAsk(stream: ServerHttp2Stream): Promise<ReturnType<typeof decodeAsk>> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > ASK_LIMIT_BYTES) return undefined;
      chunks.push(chunk);
    }
  } catch {
    return undefined;
  }
  return decodeAsk(Buffer.concat(chunks).toString('utf8'));
}
