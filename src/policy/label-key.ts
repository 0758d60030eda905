import { headerNameFault } from '../base/header-name';
import { cookieKeyFault, isCookieKey } from './cookie';

/**
 * Why a program may not set a label with this key, as what was expected instead; undefined when it may. Keys are judged
 * in lower case. Binary metadata is not text, `grpc-` belongs to the protocol, connections have headers of their own,
 * and credentials must not end up in an explanation.
 */
export function labelKeyFault(key: string): string | undefined {
  const lower = key.toLowerCase();
  if (lower.endsWith('-bin')) return 'a key of text; binary metadata (-bin) is not routed by';
  if (lower.startsWith('grpc-')) return 'a key of your own; grpc- belongs to the protocol';
  if (lower === 'authorization' || lower === 'cookie') return 'a key that holds no credentials';
  return headerNameFault(lower);
}

/** The same for a label that is read: by a policy, by a server. `cookie:name` is the cookie of that name. */
export function readLabelKeyFault(key: string): string | undefined {
  const lower = key.toLowerCase();
  if (isCookieKey(lower)) return cookieKeyFault(lower);
  const fault = labelKeyFault(lower);
  return lower === 'cookie' ? `${fault}; cookie:name is one cookie` : fault;
}
