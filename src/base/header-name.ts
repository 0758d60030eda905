/**
 * Headers of one connection: HTTP/2 forbids them (RFC 9113, 8.2.2), and Node's HTTP/2 throws where a call bears one.
 */
const OF_THE_CONNECTION: readonly string[] = [
  'connection',
  'http2-settings',
  'keep-alive',
  'proxy-connection',
  'te',
  'transfer-encoding',
  'upgrade',
];

/** What HTTP and gRPC set themselves: a second one is refused by the peer, or believed in place of the right one. */
const OF_THE_PROTOCOL: ReadonlySet<string> = new Set([
  'content-length',
  'content-type',
  'expect',
  'host',
  'proxy-authorization',
  'trailer',
  'user-agent',
]);

const FORBIDDEN: ReadonlySet<string> = new Set(OF_THE_CONNECTION);

/**
 * Taken out of whatever a call is about to send. What the transport sets in their place anyway (`te`, `content-type`)
 * may stay.
 */
export const UNSENDABLE_HEADERS: ReadonlySet<string> = new Set([
  ...OF_THE_CONNECTION,
  'content-length',
  'expect',
  'host',
]);

/**
 * Node's HTTP/2 throws where one of them has two values; gRPC knows no such rule. `authorization` is judged by grpc-js.
 */
export const SINGLE_HEADERS: ReadonlySet<string> = new Set([
  'access-control-allow-credentials',
  'access-control-max-age',
  'access-control-request-method',
  'age',
  'content-encoding',
  'content-language',
  'content-location',
  'content-md5',
  'content-range',
  'date',
  'dnt',
  'etag',
  'expires',
  'from',
  'if-match',
  'if-modified-since',
  'if-none-match',
  'if-range',
  'if-unmodified-since',
  'last-modified',
  'location',
  'max-forwards',
  'proxy-authorization',
  'range',
  'referer',
  'retry-after',
  'tk',
  'upgrade-insecure-requests',
  'x-content-type-options',
]);

/**
 * Why a header of this name cannot be set on a call, as what was expected instead; undefined when it can. In lower
 * case. Asked wherever a name is written down: policies, labels, config entries, options.
 */
export function headerNameFault(name: string): string | undefined {
  if (name.startsWith(':')) return 'a header; those with a colon are set by HTTP/2';
  if (!/^[0-9a-z_.-]+$/.test(name)) return 'a metadata key: letters, digits, _ . -';
  if (FORBIDDEN.has(name)) return 'a header of a call; HTTP/2 forbids those of a connection';
  if (OF_THE_PROTOCOL.has(name)) return 'a header of your own; this one belongs to the transport';
  return undefined;
}
