import type { IncomingMessage } from 'node:http';
import { Writable } from 'node:stream';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { looksLikePage } from './answer-json';
import { UnusableMaterial } from './tls';

/**
 * Gathers one response body, for papi's `pipe` option. papi alone would keep a body of any size and would wait for the
 * end of one that was cut short until its timeout; this says so at once through `onFault` (at most once).
 */
export class BodyCollector extends Writable {
  readonly #chunks: Buffer[] = [];
  readonly #limitBytes: number;
  readonly #onFault: (reason: string) => void;
  #size = 0;
  #faulted = false;

  constructor(limitBytes: number, onFault: (reason: string) => void) {
    super();
    this.#limitBytes = limitBytes;
    this.#onFault = onFault;
    this.on('pipe', (source: IncomingMessage) => this.#watch(source));
  }

  body(): Buffer {
    return this.#chunks.length === 1 ? (this.#chunks[0] ?? Buffer.alloc(0)) : Buffer.concat(this.#chunks, this.#size);
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    if (!this.#faulted) {
      this.#size += chunk.length;
      this.#chunks.push(chunk);
      this.#checkSize(this.#size);
    }
    done();
  }

  #watch(source: IncomingMessage): void {
    source.once('close', () => {
      if (!source.complete) this.#fault('the answer was cut short');
    });
    this.#checkSize(Number(source.headers['content-length'] ?? 0));
  }

  #checkSize(bytes: number): void {
    if (bytes > this.#limitBytes) this.#fault(`the answer is larger than ${this.#limitBytes} bytes`);
  }

  #fault(reason: string): void {
    if (this.#faulted) return;
    this.#faulted = true;
    this.#chunks.length = 0;
    this.#onFault(reason);
  }
}

/** Consul compresses what is asked for so, and nothing else. */
export const ACCEPT_GZIP: Readonly<Record<string, string>> = { 'accept-encoding': 'gzip' };

const inflate = promisify(gunzip);

/** Rejects when the body is not what its header says, or larger than the limit once it is unpacked. */
export async function decodedBody(message: IncomingMessage, body: Buffer, limitBytes: number): Promise<Buffer> {
  if (message.headers['content-encoding'] !== 'gzip') return body;
  return inflate(body, { maxOutputLength: limitBytes });
}

/** What Node and OpenSSL call the ways in which TLS or HTTP is refused, in words; by the start of the code. */
const REFUSALS: readonly (readonly [RegExp, string])[] = [
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
  [/^HPE_/, 'it does not speak HTTP there'],
  [/^(ERR_SSL_(WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG)|EPROTO)$/, 'it does not speak TLS there'],
];

/** Why a request failed, from the error's code alone: its message and its fields may hold the token. */
export function failureReason(error: unknown, address: string): string {
  if (error instanceof UnusableMaterial) return error.reason;
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
  if (typeof code !== 'string') return `the connection to ${address} failed`;
  const words = REFUSALS.find(([pattern]) => pattern.test(code))?.[1];
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
  if (status < 300) return `HTTP ${status}: a page, not JSON (expected: Consul's own address)`;
  const longest = Math.max(0, ...secrets.map((secret) => secret.length));
  const raw = body.subarray(0, BODY_WINDOW_BYTES).toString('utf8');
  // A gateway in between may echo the request. One that the window cuts in two is not recognised: the end is left out.
  const safe = redact(raw, secrets).slice(0, body.length > BODY_WINDOW_BYTES ? -longest || undefined : undefined);
  if (looksLikePage(safe)) {
    const title = /<title>\s*([^<]{1,80}?)\s*</i.exec(safe)?.[1]?.replace(/[\p{Cc}\p{Cf}\ufffd]+/gu, ' ');
    return `HTTP ${status}: a page of HTML, not of Consul${title === undefined ? '' : ` (${title})`}`;
  }
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

/** Consul's API answers in JSON or plain text. A page is that of a gateway, a sign-in or another server. */
export function isPage({ headers }: IncomingMessage): boolean {
  return /^text\/html\b/i.test(headers['content-type'] ?? '');
}

/**
 * What Consul says of the question, whichever agent is asked: of a datacenter, a filter, a permission, or how it is set
 * up.
 */
const OF_THE_QUESTION =
  /no path to datacenter|boolean expression evaluator|failed to create filter|error finding value in datum|permission denied|ACL (not found|support disabled)|connect must be enabled|no cluster ca config/i;

/**
 * Whether another agent may well answer what this one did not: it is overloaded (429), it has no servers or no leader,
 * it is broken (500 and the gateways' 502, 503, 504), or something else stands there and leads elsewhere (3xx). Not so
 * for what Consul says of the question or of the token.
 * https://developer.hashicorp.com/consul/api-docs#response-codes
 */
export function isFaultOfAgent(status: number, reason: string): boolean {
  if (status === 429 || (status >= 502 && status <= 504) || (status >= 300 && status <= 399)) return true;
  return status === 500 && !OF_THE_QUESTION.test(reason);
}
