import { type FSWatcher, statSync, watch } from 'node:fs';
import { dirname } from 'node:path';
import type { Clock, Timer } from '../../../base/clock';

export interface FileWatchOptions {
  readonly clock: Clock;
  readonly pollIntervalMs: number;
  readonly debounceMs: number;
}

/** In debounce times. */
const LONGEST_WAIT = 10;

/**
 * Calls `onChange` when one of the files may have changed. Directories are watched, not files: a file that is replaced
 * by a rename, or reached through a symbolic link that is swapped, would take its watch with it. Notifications get lost
 * on some network and container file systems, so files are looked at from time to time as well.
 */
export function watchFiles(
  paths: readonly string[],
  { clock, pollIntervalMs, debounceMs }: FileWatchOptions,
  onChange: () => void,
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
  const watchDirectories = (): void => {
    for (const [directory, watcher] of directories) {
      if (watcher === undefined)
        directories.set(
          directory,
          watchDirectory(directory, notify, () => forget(directory)),
        );
    }
  };
  const forget = (directory: string): void => {
    directories.get(directory)?.close();
    directories.set(directory, undefined);
  };

  watchDirectories();
  const poll = clock.setRepeating(pollIntervalMs, () => {
    watchDirectories();
    if (signatureOf(paths) !== signature) notify();
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
