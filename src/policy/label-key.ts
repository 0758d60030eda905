import { headerNameFault } from '../base/header-name';

/**
 * Why a key may not be a label's, as what was expected instead; undefined when it may. Keys are judged in lower case.
 * Binary metadata is not text, `grpc-` belongs to the protocol, connections have headers of their own, and credentials
 * must not end up in an explanation. One rule for what policies match and for what programs set.
 */
export function labelKeyFault(key: string): string | undefined {
  const lower = key.toLowerCase();
  if (lower.endsWith('-bin')) return 'a key of text; binary metadata (-bin) is not routed by';
  if (lower.startsWith('grpc-')) return 'a key of your own; grpc- belongs to the protocol';
  if (lower === 'authorization' || lower === 'cookie') return 'a key that holds no credentials';
  return headerNameFault(lower);
}
