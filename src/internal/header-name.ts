/** Pseudo-headers as callers may write them, and what belongs to one connection: HTTP/2 forbids it (RFC 9113, 8.2.2). */
const FORBIDDEN: ReadonlySet<string> = new Set([
  'connection',
  'http2-settings',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/** What the protocol sets itself: a second one would be refused by the peer, or believed in place of the right one. */
const OF_THE_PROTOCOL: ReadonlySet<string> = new Set([
  'content-length',
  'content-type',
  'expect',
  'host',
  'proxy-authorization',
  'proxy-authenticate',
  'user-agent',
]);

/**
 * Why a header of this name cannot be set on a call, as what was expected instead; undefined when it can. In lower case. A call
 * that carries one of them fails before it is sent, at each attempt anew, so they are refused where they are named.
 */
export function headerNameFault(name: string): string | undefined {
  if (name.startsWith(':')) return 'a header; pseudo-headers are set by the protocol';
  if (!/^[0-9a-z_.-]+$/.test(name)) return 'a metadata key: letters, digits, _ . -';
  if (FORBIDDEN.has(name)) return 'a header that HTTP/2 allows; this one is of a connection';
  if (OF_THE_PROTOCOL.has(name)) return 'a header of your own; this one is set by the protocol';
  return undefined;
}
