import { expect, it } from 'vitest';
import { connectionFailure } from '../../../../../src/client/balancer/endpoints/connection-failure';

it.each([
  [undefined, 'connection failed'],
  ['connect ECONNREFUSED 127.0.0.1:9', 'connect ECONNREFUSED 127.0.0.1:9'],
  ['certificate has expired', 'certificate has expired'],
  ['self-signed certificate in certificate chain', 'its certificate is not from a trusted authority'],
  [
    'Error: 80:error:0A000410:SSL routines:ssl3_read_bytes:sslv3 alert handshake failure:../deps/x.c:1:SSL alert number 40\n',
    'no agreement on TLS, or the server wants a certificate',
  ],
  ['Error: 80:error:0A0000C1:SSL routines:tls_x:something else:../deps/x.c:1:\n', 'TLS failed: something else'],
])('%j is told as %j', (given, told) => expect(connectionFailure(given)).toBe(told));

it('the same failure at another time is the same text', () => {
  expect(connectionFailure('Failed to connect (2026-11-28T20:57:06.306Z)')).toBe(
    connectionFailure('Failed to connect (2026-11-28T20:57:09.001Z)'),
  );
});
