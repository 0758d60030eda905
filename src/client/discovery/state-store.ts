import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Timer } from '../../base/clock';
import type { Runtime } from '../../base/runtime';
import { sha256 } from '../../base/sha256';

export interface StoredState {
  readonly value: unknown;
  /** Wall-clock milliseconds. */
  readonly savedAtMs: number;
}

const FORMAT = 1;
/** At most one write of a key in this time. */
const PACE_MS = 2_000;
const MAX_BYTES = 64 * 1024 * 1024;

/**
 * Remembers on disk what was last known, so that a process can start while Consul is down. One file for each key,
 * written whole to another name and then renamed, mode 0600, with a checksum. Holds what Consul answered and no token.
 * Nothing here throws: a disk that cannot be used is told once, and the process goes on without it.
 * The directory is made when it is first written to.
 */
export class StateStore {
  readonly #directory: string;
  readonly #deps: Pick<Runtime, 'clock' | 'logger'>;
  readonly #waiting = new Map<string, { readonly value: object; readonly timer: Timer }>();
  #writing: Promise<void> = Promise.resolve();
  #hasFailed = false;

  constructor(directory: string, deps: Pick<Runtime, 'clock' | 'logger'>) {
    this.#directory = directory;
    this.#deps = deps;
  }

  /** Undefined when there is nothing, or nothing that can be trusted. */
  async load(key: string): Promise<StoredState | undefined> {
    let text: string;
    try {
      text = await readFile(this.#path(key), 'utf8');
    } catch {
      return undefined;
    }
    const stored = text.length > MAX_BYTES ? undefined : parse(text, key);
    if (stored === undefined) this.#deps.logger.warn('what was remembered on disk is damaged and not used', { key });
    return stored;
  }

  /** Written soon; of several in a short time only the last. */
  save(key: string, value: object): void {
    const waiting = this.#waiting.get(key);
    const timer = waiting?.timer ?? this.#deps.clock.setTimer(PACE_MS, () => this.#write(key));
    this.#waiting.set(key, { value, timer });
  }

  /** Resolves when everything that was saved is on disk, or cannot be written. */
  async flush(): Promise<void> {
    for (const key of [...this.#waiting.keys()]) this.#write(key);
    await this.#writing;
  }

  #write(key: string): void {
    const waiting = this.#waiting.get(key);
    if (waiting === undefined) return;
    waiting.timer.cancel();
    this.#waiting.delete(key);
    this.#writing = this.#writing.then(() => this.#replace(key, waiting.value));
  }

  async #replace(key: string, value: object): Promise<void> {
    const path = this.#path(key);
    const temporary = `${path}.${process.pid}.tmp`;
    try {
      await mkdir(this.#directory, { recursive: true, mode: 0o700 });
      await writeFile(temporary, format(key, value, this.#deps.clock.wallNow()), { mode: 0o600 });
      await rename(temporary, path);
      this.#hasFailed = false;
    } catch (error) {
      await rm(temporary, { force: true }).catch(() => {});
      if (this.#hasFailed) return;
      this.#hasFailed = true;
      this.#deps.logger.warn('what is known cannot be remembered on disk', {
        directory: this.#directory,
        error: String(error),
      });
    }
  }

  #path(key: string): string {
    return join(this.#directory, `${sha256(key).slice(0, 32)}.json`);
  }
}

function format(key: string, value: object, savedAtMs: number): string {
  const payload = JSON.stringify({ key, savedAtMs, value });
  return JSON.stringify({ format: FORMAT, checksum: sha256(payload), payload });
}

function parse(text: string, key: string): StoredState | undefined {
  try {
    const outer = JSON.parse(text) as { format?: unknown; checksum?: unknown; payload?: unknown };
    if (outer.format !== FORMAT || typeof outer.payload !== 'string' || sha256(outer.payload) !== outer.checksum) {
      return undefined;
    }
    const inner = JSON.parse(outer.payload) as { key?: unknown; savedAtMs?: unknown; value?: unknown };
    if (inner.key !== key || typeof inner.savedAtMs !== 'number') return undefined;
    return { value: inner.value, savedAtMs: inner.savedAtMs };
  } catch {
    return undefined;
  }
}
