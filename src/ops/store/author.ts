import { hostname, userInfo } from 'node:os';
import type { ConsulClient } from '../../consul/client';
import { parseJsonRecord } from './parse-answer';

const TIME_LIMIT_MS = 5000;
const ANONYMOUS = '00000000-0000-0000-0000-000000000002';

/**
 * Who a change is put down to: the accessor of the ACL token (not a secret), else `user@host`. Every token may ask for
 * itself. Never rejects.
 */
export async function findAuthor(client: ConsulClient): Promise<string> {
  if (client.options.token !== undefined) {
    const answer = await client.get({ path: '/acl/token/self', timeLimitMs: TIME_LIMIT_MS });
    const accessor =
      answer.kind === 'answer' ? parseJsonRecord(answer.body.toString('utf8'))?.['AccessorID'] : undefined;
    if (typeof accessor === 'string' && accessor !== '' && accessor !== ANONYMOUS) return accessor;
  }
  return `${userName()}@${hostname()}`;
}

/** A user id without an entry in the password file has no name. */
function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return process.env['USER'] ?? 'unknown';
  }
}
