import type { IncomingMessage } from 'node:http';
import { UnusableMaterial } from './tls-material';

/** What Node and OpenSSL call the ways in which TLS is refused, in words; by the start of the code. */
const TLS_REFUSALS: readonly (readonly [RegExp, string])[] = [
  [/^CERT_HAS_EXPIRED$/, 'its certificate has expired'],
  [/^CERT_NOT_YET_VALID$/, 'its certificate is not valid yet'],
  [/^ERR_TLS_CERT_ALTNAME_INVALID$/, 'its certificate is for another name (see tls.servername)'],
  [
    /^(UNABLE_TO_(VERIFY_LEAF_SIGNATURE|GET_ISSUER_CERT)|SELF_SIGNED_CERT|DEPTH_ZERO_SELF_SIGNED_CERT|CERT_SIGNATURE_FAILURE)/,
    'its certificate is not from a trusted authority (see tls.caFile)',
  ],
  [
    /^ERR_SSL_.*ALERT_(UNKNOWN_CA|BAD_CERTIFICATE|CERTIFICATE_(REQUIRED|UNKNOWN|EXPIRED))/,
    'it refuses our certificate',
  ],
  [/^ERR_SSL_.*(HANDSHAKE_FAILURE)/, 'no agreement on TLS, or it wants a certificate (see tls.certFile)'],
  [/^(ERR_SSL_(WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG)|EPROTO)$/, 'it does not speak TLS there'],
];

/** Why a request failed, from the error's code alone: its message and its fields may hold the token. */
export function failureReason(error: unknown, address: string): string {
  if (error instanceof UnusableMaterial) return error.reason;
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
  if (typeof code !== 'string') return `the connection to ${address} failed`;
  const words = TLS_REFUSALS.find(([pattern]) => pattern.test(code))?.[1];
  return words === undefined ? `${code} ${address}` : `${code} ${address}: ${words}`;
}

/** Of an answer's body: enough to find a secret in full where the shown part begins. */
const BODY_WINDOW_BYTES = 16 * 1024;
const SHOWN_LENGTH = 200;

/** `HTTP 500: No path to datacenter`: the status and the first words of the body, without control characters. */
export function httpReason(response: IncomingMessage, body: Buffer, secrets: readonly string[]): string {
  const status = response.statusCode ?? 0;
  if (status >= 300 && status < 400)
    return `HTTP ${status}: redirects are not followed (expected: Consul's own address)`;
  const longest = Math.max(0, ...secrets.map((secret) => secret.length));
  const raw = body.subarray(0, BODY_WINDOW_BYTES).toString('utf8');
  // A gateway in between may echo the request. One that the window cuts in two is not recognised: the end is left out.
  const safe = redact(raw, secrets).slice(0, body.length > BODY_WINDOW_BYTES ? -longest || undefined : undefined);
  const text = safe
    .replace(/[\p{Cc}\p{Cf}\ufffd]+/gu, ' ')
    .trim()
    .slice(0, SHOWN_LENGTH);
  return text === '' ? `HTTP ${status}` : `HTTP ${status}: ${text}`;
}

/** Each secret in the forms in which an echo may write it. */
function redact(text: string, secrets: readonly string[]): string {
  let safe = text;
  for (const secret of secrets) {
    if (secret === '') continue;
    const forms = [
      secret,
      encodeURIComponent(secret),
      JSON.stringify(secret).slice(1, -1),
      Buffer.from(secret).toString('base64'),
    ];
    for (const form of new Set(forms)) safe = safe.replaceAll(form, '[token]');
  }
  return safe;
}
