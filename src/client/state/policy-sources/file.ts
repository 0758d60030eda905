import { type FileHandle, open, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type Clock, systemClock } from '../../../base/clock';
import { GraylaneError } from '../../../base/errors';
import { followFiles } from '../../../base/file-watch';
import { MAX_DOCUMENT_BYTES } from '../../../policy/limits';
import type { PolicyReading } from '../../../policy/policy-reading';
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
 * seen at once where the system tells, else within the poll interval. A file that was named and is not there, a
 * directory that is not there, and a file that may not be read are errors; only a directory without a file for the
 * service says that there is no policy. Throws INVALID_OPTION without files and directory, or for another file name
 * extension.
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
      return followFiles(candidates, {
        clock,
        pollIntervalMs,
        debounceMs,
        read: () => readPolicyFile(candidates, Object.hasOwn(files, service)),
        isSame,
        isFailure: ({ kind }) => kind === 'error',
        onReading: listener,
      });
    },
  };
}

function isSame(last: PolicyReading, next: PolicyReading): boolean {
  if (last.kind !== next.kind) return false;
  if (last.kind === 'error') return next.kind === 'error' && last.reason === next.reason;
  if (last.kind === 'absent') return true;
  return next.kind === 'present' && last.content === next.content && last.format === next.format;
}

/**
 * Reads the first of the files that exists. Never rejects: what went wrong is the reading. `isNamed`: the one candidate
 * was named for this service, so that its absence is a failure to read it; otherwise the service has no policy then.
 */
export async function readPolicyFile(candidates: readonly string[], isNamed: boolean): Promise<PolicyReading> {
  for (const path of candidates) {
    try {
      return await readOne(path);
    } catch (error) {
      if (isNamed || codeOf(error) !== 'ENOENT') return { kind: 'error', reason: `${path}: ${messageOf(error)}` };
    }
  }
  const first = candidates[0];
  return first === undefined ? { kind: 'absent' } : absence(dirname(first));
}

/** A directory that is missing (not mounted yet, say) tells nothing about the policy. */
async function absence(directory: string): Promise<PolicyReading> {
  try {
    await stat(directory);
    return { kind: 'absent' };
  } catch (error) {
    return { kind: 'error', reason: `${directory}: ${messageOf(error)}` };
  }
}

async function readOne(path: string): Promise<PolicyReading> {
  const file = await open(path, 'r');
  try {
    const bytes = await readBounded(file);
    if (bytes === undefined) {
      return { kind: 'error', reason: `${path}: too large (expected: at most ${MAX_DOCUMENT_BYTES} bytes)` };
    }
    const content = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    return { kind: 'present', content, format: path.toLowerCase().endsWith('.json') ? 'json' : 'yaml', place: path };
  } catch (error) {
    if (codeOf(error) !== 'ERR_ENCODING_INVALID_ENCODED_DATA') throw error;
    return { kind: 'error', reason: `${path}: bytes that are not UTF-8 (expected: UTF-8)` };
  } finally {
    await file.close();
  }
}

/** By reading, not by size: a file may grow meanwhile, and pipes have none. Undefined when it is too large. */
async function readBounded(file: FileHandle): Promise<Uint8Array | undefined> {
  const buffer = Buffer.alloc(MAX_DOCUMENT_BYTES + 1);
  let length = 0;
  while (length < buffer.length) {
    const { bytesRead } = await file.read(buffer, length, buffer.length - length, null);
    if (bytesRead === 0) return buffer.subarray(0, length);
    length += bytesRead;
  }
  return undefined;
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}

function messageOf(error: unknown): string {
  if (codeOf(error) === 'ENOENT') return 'no such file or directory';
  return error instanceof Error ? error.message : String(error);
}
