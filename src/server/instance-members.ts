import { createHash } from 'node:crypto';
import { readdir, rm } from 'node:fs/promises';
import { createServer, connect as dial, type Server } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { findPlace, hostIdentity } from '../consul/host-place';

/**
 * The processes of a host that are one instance: workers that share a port, and a successor beside its predecessor.
 * Each shows that it lives by a socket that it listens on, which ends with it however it ends.
 */
export interface InstanceMembers {
  /**
   * Resolves when the others can see this process. Never rejects: without a folder each process counts as the only one.
   */
  join(): Promise<void>;
  /** From here on this process is none of them. How many are left. */
  leave(): Promise<number>;
}

const ANSWER_LIMIT_MS = 1_000;
let joined = 0;

/** `directory`: undefined for the default, a folder of the user's own among the temporary ones. */
export function instanceMembers(directory: string | undefined, id: string, agent: string): InstanceMembers {
  const name = createHash('sha256')
    .update(JSON.stringify([hostIdentity(), agent, id]))
    .digest('hex')
    .slice(0, 24);
  let server: Server | undefined;
  let path: string | undefined;
  return {
    async join() {
      const place = await findPlace(directory ?? defaultDirectory(), `m-${name}`);
      if (place.kind === 'refused') return;
      joined += 1;
      path = `${place.path}.${process.pid.toString(36)}-${joined.toString(36)}`;
      server = await listen(path);
    },
    async leave() {
      if (path === undefined) return 0;
      const own = path;
      await close(server);
      await rm(own, { force: true });
      return countOthers(own);
    },
  };
}

function defaultDirectory(): string {
  return join(tmpdir(), `graylane-${userInfo().uid}`);
}

async function countOthers(own: string): Promise<number> {
  const folder = dirname(own);
  const prefix = basename(own).slice(0, basename(own).lastIndexOf('.') + 1);
  const names = await readdir(folder).catch(() => []);
  const found = names.filter((name) => name.startsWith(prefix)).map((name) => join(folder, name));
  const alive = await Promise.all(found.map(isAlive));
  return alive.filter(Boolean).length;
}

/** A killed process leaves a socket without a listener; it is removed. */
function isAlive(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = dial(path);
    const settle = (alive: boolean): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(alive);
    };
    // The kernel takes the connection also for a process that is stopped.
    const timer = setTimeout(() => settle(true), ANSWER_LIMIT_MS);
    socket.once('connect', () => settle(true));
    socket.once('error', (error: NodeJS.ErrnoException) => {
      settle(false);
      if (error.code === 'ECONNREFUSED') rm(path, { force: true }).catch(() => {});
    });
  });
}

function listen(path: string): Promise<Server | undefined> {
  return new Promise((resolve) => {
    const server = createServer((socket) => socket.destroy());
    server.unref();
    server.on('error', () => resolve(undefined));
    // A worker of node:cluster would otherwise share it with its siblings, and outlive itself in them.
    server.listen({ path, exclusive: true }, () => resolve(server));
  });
}

function close(server: Server | undefined): Promise<void> {
  return new Promise((resolve) => {
    if (server === undefined) resolve();
    else server.close(() => resolve());
  });
}
