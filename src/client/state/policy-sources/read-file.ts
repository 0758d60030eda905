import { type FileHandle, open, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { MAX_DOCUMENT_BYTES } from '../../../policy/limits';
import type { PolicyReading } from '../../../policy/policy-reading';

/**
 * Reads the first of the files that exists. Never rejects: what went wrong is the reading. `isNamed`: the one candidate was
 * named for this service, so that its absence is a failure to read it; otherwise the service has no policy then.
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
