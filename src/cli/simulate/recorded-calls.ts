import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import type { RoutingInput } from '../../policy/routing/call';
import { parseCallRecord } from '../../policy/routing/call-record';
import { labelsOf } from '../../policy/routing/labels';
import { CommandError } from '../command-error';

/**
 * Reads recorded calls line by line and hands those of `service` on, with those that name none. Gives how many were of other
 * services. Throws a CommandError that names the line.
 */
export async function readRecordedCalls(
  file: string,
  service: string,
  add: (call: RoutingInput) => void,
): Promise<number> {
  const input = file === '-' ? process.stdin : createReadStream(file);
  let line = 0;
  let skipped = 0;
  try {
    for await (const text of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
      line += 1;
      if (text.trim() === '') continue;
      const record = parseCallRecord(text);
      if (typeof record === 'string')
        throw new CommandError(2, `${file}:${line} ${record}`, 'correct or leave out this line');
      const { method, labels, stickyKey, force } = record;
      if (record.service !== undefined && record.service !== service) skipped += 1;
      else add({ method, labels: labelsOf(labels), stickyKey, force });
    }
  } catch (error) {
    if (!(error instanceof Error && 'code' in error)) throw error;
    throw new CommandError(2, `${file}: ${String(error.code)} (expected: a file that can be read)`, 'check its name');
  }
  return skipped;
}
