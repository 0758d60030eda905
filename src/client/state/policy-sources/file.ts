import { type FileHandle, open } from 'node:fs/promises';
import type { Clock } from '../../../base/clock';
import { GraylaneError } from '../../../base/errors';
import { followFiles } from '../../../base/file-watch';
import { MAX_DOCUMENT_BYTES } from '../../../policy/limits';
import type { PolicyReading } from '../../../policy/policy-reading';
import type { PolicySource } from './source';

/** How often the file is looked at where the system's notifications fail; quiet time before a change is read. */
const TIMING = { pollIntervalMs: 2_000, debounceMs: 50 };

/**
 * The policy of `service` in a file, watched: edits in place, atomic renames and swapped symbolic links (mounted config
 * maps) are seen at once where the system tells, else within the poll interval. A file that is not there, or may not be
 * read, is an error. Throws INVALID_OPTION for another file name extension than `.json`, `.yaml` and `.yml`.
 */
export function createFilePolicySource(
  service: string,
  path: string,
  clock: Clock,
  timing: typeof TIMING = TIMING,
): PolicySource {
  if (!/\.(json|ya?ml)$/i.test(path)) {
    throw new GraylaneError('INVALID_OPTION', `files.${service}: ${path} (expected: a .json, .yaml or .yml file)`);
  }
  return {
    origin: 'file',
    watch: (_service, listener) =>
      followFiles([path], {
        clock,
        ...timing,
        read: () => readPolicyFile(path),
        isSame: (last, next) => JSON.stringify(last) === JSON.stringify(next),
        isFailure: ({ kind }) => kind === 'error',
        onReading: listener,
      }),
  };
}

/** Never rejects: what went wrong is the reading. */
export async function readPolicyFile(path: string): Promise<PolicyReading> {
  try {
    return await read(path);
  } catch (error) {
    return { kind: 'error', reason: `${path}: ${messageOf(error)}` };
  }
}

async function read(path: string): Promise<PolicyReading> {
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
