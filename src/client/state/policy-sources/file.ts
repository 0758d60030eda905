import { join } from 'node:path';
import type { Clock } from '../../../base/clock';
import { systemClock } from '../../../base/clock';
import { GraylaneError } from '../../../base/errors';
import type { PolicyReading } from '../../../policy/policy-reading';
import { watchFiles } from './file-watch';
import { readPolicyFile } from './read-file';
import type { PolicySource } from './source';

/** One of `files` and `directory`, or both: `files` is asked first. */
export interface FilePolicyOptions {
  /** Path of each service's policy, `.json`, `.yaml` or `.yml`. */
  readonly files?: Readonly<Record<string, string>>;
  /** Holds `<service>.json`, `<service>.yaml` or `<service>.yml`, looked for in this order. */
  readonly directory?: string;
  /** How often files are looked at where the system's notifications fail. Milliseconds, > 0, default 2000. */
  readonly pollIntervalMs?: number;
  /** Quiet time before a change is read, so that a file is not read in the middle of being written. Default 50. */
  readonly debounceMs?: number;
  readonly clock?: Clock;
}

/**
 * Policies from files, watched: edits in place, atomic renames and swapped symbolic links (mounted config maps) are
 * seen at once where the system tells, else within the poll interval. A file that was named and is not there, a directory
 * that is not there, and a file that may not be read are errors; only a directory without a file for the service says that
 * there is no policy. Throws INVALID_OPTION without files and directory, or
 * for another file name extension.
 */
export function createFilePolicySource(options: FilePolicyOptions): PolicySource {
  const { files = {}, directory, clock = systemClock, pollIntervalMs = 2_000, debounceMs = 50 } = options;
  if (directory === undefined && Object.keys(files).length === 0) {
    throw new GraylaneError('INVALID_OPTION', 'files: missing (expected: files or directory)');
  }
  for (const [service, path] of Object.entries(files)) {
    if (/\.(json|ya?ml)$/i.test(path)) continue;
    throw new GraylaneError('INVALID_OPTION', `files.${service}: ${path} (expected: a .json, .yaml or .yml file)`);
  }

  const candidatesOf = (service: string): readonly string[] => {
    const path = Object.hasOwn(files, service) ? files[service] : undefined;
    if (path !== undefined) return [path];
    // A name that is a path would lead out of the directory.
    if (directory === undefined || !/^[A-Za-z0-9_-][A-Za-z0-9._-]*$/.test(service)) return [];
    return ['json', 'yaml', 'yml'].map((extension) => join(directory, `${service}.${extension}`));
  };

  return {
    origin: 'file',
    watch(service, listener) {
      const candidates = candidatesOf(service);
      let isClosed = false;
      let isReading = false;
      let isStale = false;
      let last: PolicyReading | undefined;

      const read = async (): Promise<void> => {
        if (isReading) {
          isStale = true;
          return;
        }
        isReading = true;
        do {
          isStale = false;
          const reading = await readPolicyFile(candidates, Object.hasOwn(files, service));
          if (isClosed) return;
          if (!isSame(last, reading)) {
            last = reading;
            listener(reading);
          }
        } while (isStale && !isClosed);
        isReading = false;
      };

      const watcher = watchFiles(candidates, { clock, pollIntervalMs, debounceMs }, () => void read());
      void read();
      return {
        close() {
          isClosed = true;
          watcher.close();
        },
      };
    },
  };
}

function isSame(last: PolicyReading | undefined, next: PolicyReading): boolean {
  if (last?.kind !== next.kind) return false;
  if (last.kind === 'error') return next.kind === 'error' && last.reason === next.reason;
  if (last.kind === 'absent') return true;
  return next.kind === 'present' && last.content === next.content && last.format === next.format;
}
