/** What grpc-js passes on of Node and OpenSSL, and what it means for who reads a status. */
const IN_WORDS: readonly (readonly [RegExp, string])[] = [
  [
    /wrong version number|packet length too long|http request/i,
    'the server does not speak TLS there, and the credentials ask for it',
  ],
  [
    /alert (unknown ca|bad certificate|certificate (required|unknown|expired))/i,
    'the server refuses our certificate, or wants one',
  ],
  [
    /alert handshake failure|no shared cipher|unsupported protocol/i,
    'no agreement on TLS, or the server wants a certificate',
  ],
  [
    /self[- ]signed certificate|unable to (verify the first certificate|get (local )?issuer certificate)/i,
    'its certificate is not from a trusted authority',
  ],
  [
    /^Failed to connect \(/,
    'the peer ended the connection before HTTP/2 began: the server may want TLS, or is no gRPC server',
  ],
];
/** `804C...:error:0A00010B:SSL routines:ssl3_get_record:wrong version number:../deps/...:350:` */
const OPENSSL = /error:[0-9a-f]+:SSL routines:[^:]*:([^:]+)/i;
const MOST_LENGTH = 300;

/** Why a connection failed, in words. The same failure yields the same text, so that it is told once. */
export function connectionFailure(reason: string | undefined): string {
  if (reason === undefined) return 'connection failed';
  const words = IN_WORDS.find(([pattern]) => pattern.test(reason))?.[1];
  if (words !== undefined) return words;
  const openssl = OPENSSL.exec(reason)?.[1];
  return openssl === undefined ? reason.trim().slice(0, MOST_LENGTH) : `TLS failed: ${openssl}`;
}
