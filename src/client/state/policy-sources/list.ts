import { readFile, stat } from 'node:fs/promises';
import type { Clock } from '../../../base/clock';
import { followFiles } from '../../../base/file-watch';
import type { PolicyReading } from '../../../policy/policy-reading';
import { MAX_LIST_BYTES } from '../../../policy/value-list';
import type { PolicySource } from './source';

const TIMING = { pollIntervalMs: 2_000, debounceMs: 50 };

/** A list of values in a file, watched like the file of a policy. */
export function createListFileSource(path: string, clock: Clock): PolicySource {
  return {
    origin: 'file',
    watch: (_name, listener) =>
      followFiles([path], {
        clock,
        ...TIMING,
        read: () => readListFile(path),
        isSame: (last, next) => JSON.stringify(last) === JSON.stringify(next),
        isFailure: ({ kind }) => kind === 'error',
        onReading: listener,
      }),
  };
}

/** A list of values that was given in code. */
export function createGivenListSource(values: readonly string[]): PolicySource {
  return {
    origin: 'inline',
    watch: (_name, listener) => {
      let isOpen = true;
      queueMicrotask(() => {
        if (isOpen) listener({ kind: 'present', content: JSON.stringify(values), format: 'json' });
      });
      return {
        close() {
          isOpen = false;
        },
      };
    },
  };
}

async function readListFile(path: string): Promise<PolicyReading> {
  try {
    const { size } = await stat(path);
    if (size > MAX_LIST_BYTES) {
      return { kind: 'error', reason: `${path}: ${size} bytes (expected: at most ${MAX_LIST_BYTES})` };
    }
    return { kind: 'present', content: await readFile(path, 'utf8'), format: 'json', place: path };
  } catch (error) {
    return { kind: 'error', reason: `${path}: ${error instanceof Error ? error.message : String(error)}` };
  }
}
