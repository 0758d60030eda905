import { type FSWatcher, statSync, watch } from 'node:fs';
import { dirname } from 'node:path';
import type { Clock, Timer } from './clock';

export interface FileWatchOptions {
  readonly clock: Clock;
  readonly pollIntervalMs: number;
  readonly debounceMs: number;
}

export interface FileFollowOptions<T> extends FileWatchOptions {
  /** Reads the files. Never rejects: what went wrong is the reading. */
  readonly read: () => Promise<T>;
  readonly isSame: (former: T, next: T) => boolean;
  /** A reading that failed is tried again at each poll: what was wrong may leave no mark on the file. */
  readonly isFailure: (reading: T) => boolean;
  /** Called with the first reading, and with each that differs from the one before. Never after `close()`. */
  readonly onReading: (reading: T) => void;
}

/** In debounce times. */
const LONGEST_WAIT = 10;

/** Reads files now, and again whenever they may have changed. One reading at a time. */
export function followFiles<T>(paths: readonly string[], options: FileFollowOptions<T>): { close(): void } {
  let isClosed = false;
  let isReading = false;
  let isStale = false;
  let last: { readonly reading: T } | undefined;

  const read = async (): Promise<void> => {
    isStale = true;
    if (isReading) return;
    isReading = true;
    while (isStale && !isClosed) {
      isStale = false;
      const reading = await options.read();
      if (isClosed) return;
      const isNew = last === undefined || !options.isSame(last.reading, reading);
      last = { reading };
      if (isNew) options.onReading(reading);
    }
    isReading = false;
  };

  const isFailing = (): boolean => last !== undefined && options.isFailure(last.reading);
  const watcher = watchFiles(paths, options, () => void read(), isFailing);
  void read();
  return {
    close() {
      isClosed = true;
      watcher.close();
    },
  };
}

/**
 * Calls `onChange` when one of the files may have changed. Directories are watched, not files: a file that is replaced
 * by a rename, or reached through a symbolic link that is swapped, would take its watch with it. Notifications get lost
 * on some network and container file systems, so files are looked at from time to time as well. Keeps no process alive.
 */
export function watchFiles(
  paths: readonly string[],
  { clock, pollIntervalMs, debounceMs }: FileWatchOptions,
  onChange: () => void,
  isDue: () => boolean = () => false,
): { close(): void } {
  const directories = new Map<string, FSWatcher | undefined>(paths.map((path) => [dirname(path), undefined]));
  let signature = signatureOf(paths);
  let pending: Timer | undefined;
  let pendingSinceMs = 0;

  const notify = (): void => {
    const nowMs = clock.now();
    if (pending === undefined) pendingSinceMs = nowMs;
    // A directory in which something is written all the time must not put the reading off for ever.
    else if (nowMs - pendingSinceMs > LONGEST_WAIT * debounceMs) return;
    pending?.cancel();
    pending = clock.setTimer(debounceMs, () => {
      pending = undefined;
      signature = signatureOf(paths);
      onChange();
    });
  };
  const forget = (directory: string): void => {
    directories.get(directory)?.close();
    directories.set(directory, undefined);
  };
  const watchDirectories = (): void => {
    for (const [directory, watcher] of directories) {
      if (watcher !== undefined) continue;
      const found = watchDirectory(directory, notify, () => forget(directory));
      directories.set(directory, found);
    }
  };

  watchDirectories();
  const poll = clock.setRepeating(pollIntervalMs, () => {
    watchDirectories();
    if (isDue() || signatureOf(paths) !== signature) notify();
  });
  return {
    close() {
      poll.cancel();
      pending?.cancel();
      for (const directory of directories.keys()) forget(directory);
    },
  };
}

function watchDirectory(directory: string, onEvent: () => void, onEnd: () => void): FSWatcher | undefined {
  try {
    const watcher = watch(directory, { persistent: false }, onEvent);
    watcher.on('error', onEnd);
    return watcher;
  } catch {
    // Not there, or no watches left: polling goes on, and tries again.
    return undefined;
  }
}

/** Differs after whatever replaces or writes a file; links are followed. */
function signatureOf(paths: readonly string[]): string {
  return paths
    .map((path) => {
      try {
        const { dev, ino, size, mtimeNs, ctimeNs } = statSync(path, { bigint: true });
        return `${dev}.${ino}.${size}.${mtimeNs}.${ctimeNs}`;
      } catch {
        return 'none';
      }
    })
    .join(' ');
}
