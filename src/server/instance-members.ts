import { readdir, rm } from 'node:fs/promises';
import { createServer, connect as dial, type Server } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { sha256 } from '../base/sha256';
import { findPlace, hostIdentity } from '../consul/host-place';

const ANSWER_LIMIT_MS = 1_000;
let joined = 0;

/**
 * The processes of a host that are one instance: workers that share a port, and a successor beside its predecessor.
 * Each shows that it lives by a socket that it listens on, which ends with it however it ends.
 */
export class InstanceMembers {
  readonly #directory: string | undefined;
  readonly #name: string;
  #path: string | undefined;
  #server: Server | undefined;

  /** `directory`: undefined for the default, a folder of the user's own among the temporary ones. */
  constructor(directory: string | undefined, id: string, agent: string) {
    const identity = JSON.stringify([hostIdentity(), agent, id]);
    this.#directory = directory;
    this.#name = `m-${sha256(identity).slice(0, 24)}`;
  }

  /**
   * Resolves when the others can see this process. Never rejects: without a folder each process counts as the only one.
   */
  async join(): Promise<void> {
    const directory = this.#directory ?? join(tmpdir(), `graylane-${userInfo().uid}`);
    const place = await findPlace(directory, this.#name);
    if (place.kind === 'refused') return;
    joined += 1;
    this.#path = `${place.path}.${process.pid.toString(36)}-${joined.toString(36)}`;
    this.#server = await listen(this.#path);
  }

  /** From here on this process is none of them. How many are left. */
  async leave(): Promise<number> {
    if (this.#path === undefined) return 0;
    await close(this.#server);
    await rm(this.#path, { force: true });
    return countOthers(this.#path);
  }
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
