/** Why a request failed, from the error's code alone: its message and its fields may hold the token. */
export function failureReason(error: unknown, address: string): string {
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? `${code} ${address}` : `the connection to ${address} failed`;
}

/** `HTTP 500: No path to datacenter`: the status and the first words of the body, without control characters. */
export function httpReason(status: number, body: Buffer, token: string | undefined): string {
  const raw = body.subarray(0, 400).toString('utf8');
  // A gateway in between may echo the request.
  const safe = token === undefined || token === '' ? raw : raw.replaceAll(token, '[token]');
  const text = safe
    .replace(/[\p{Cc}\p{Cf}\ufffd]+/gu, ' ')
    .trim()
    .slice(0, 200);
  return text === '' ? `HTTP ${status}` : `HTTP ${status}: ${text}`;
}
