import { createHash } from 'node:crypto';

/** In lower-case hexadecimal digits. `src/policy` has its own, which runs in a browser, too. */
export function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
