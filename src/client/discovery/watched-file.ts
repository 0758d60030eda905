import { type FSWatcher, watch } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Clock, Timer } from '../../base/clock';

export interface WatchedFile {
  /** Idempotent. */
  close(): void;
}

export interface WatchedFileListener {
  /** The first content, then each that differs from the one before. */
  read(text: string): void;
  /** It could not be read. Called again only after a change. */
  failed(reason: string): void;
}

/** Also finds what file notifications miss: network mounts, a folder made anew. */
const POLL_MS = 2000;
const SETTLE_MS = 20;

/**
 * Follows the content of a file. Its folder is watched rather than the file, so that one replaced by renaming, or
 * through a symbolic link that is swapped, is followed too. Does not keep the process alive.
 */
export function watchFile(path: string, listener: WatchedFileListener, clock: Clock): WatchedFile {
  let last: string | undefined;
  let isReading = false;
  let isStale = false;
  let closed = false;
  let settle: Timer | undefined;
  let folder: FSWatcher | undefined;

  const read = async (): Promise<void> => {
    if (isReading) {
      isStale = true;
      return;
    }
    isReading = true;
    const outcome = await readFile(path, 'utf8').then(
      (text) => ({ text }),
      (error: NodeJS.ErrnoException) => ({ reason: `${error.code ?? 'unreadable'} ${path}` }),
    );
    isReading = false;
    if (closed) return;
    const fingerprint = JSON.stringify(outcome);
    if (fingerprint !== last) {
      last = fingerprint;
      if ('text' in outcome) listener.read(outcome.text);
      else listener.failed(outcome.reason);
    }
    if (isStale) {
      isStale = false;
      void read();
    }
  };

  const onEvent = (): void => {
    settle?.cancel();
    settle = clock.setTimer(SETTLE_MS, () => void read());
  };

  const watchFolder = (): void => {
    if (folder !== undefined || closed) return;
    try {
      folder = watch(dirname(path), { persistent: false }, onEvent);
      folder.on('error', () => {
        folder?.close();
        folder = undefined;
      });
    } catch {
      // The folder is not there, or notifications have run out: the poll serves.
    }
  };

  watchFolder();
  void read();
  const poll = clock.setRepeating(POLL_MS, () => {
    watchFolder();
    void read();
  });
  return {
    close() {
      closed = true;
      poll.cancel();
      settle?.cancel();
      folder?.close();
    },
  };
}
