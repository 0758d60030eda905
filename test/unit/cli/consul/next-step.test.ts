import { describe, expect, it } from 'vitest';
import { nextForAgent, nextForRequest } from '../../../../src/cli/consul/next-step';

const RIGHTS = 'check what the ACL token permits';

describe('the next step after a failure of Consul', () => {
  it.each([
    'ECONNREFUSED http://127.0.0.1:8500',
    'graylane/policies/payments: ECONNREFUSED http://127.0.0.1:8500',
    'ENOTFOUND http://consul.example:8500',
    'EAI_AGAIN http://consul.example:8500',
    'EHOSTUNREACH http://10.0.0.1:8500',
    'ENOENT unix:///run/consul.sock',
  ])('names the address, and no right: %s', (reason) => {
    for (const next of [nextForAgent(reason), nextForRequest(reason, RIGHTS)]) {
      expect(next).toMatch(/--consul or CONSUL_HTTP_ADDR/);
      expect(next).not.toMatch(/token/);
    }
  });

  it.each(['403 Permission denied', 'ACL not found'])('names the rights: %s', (reason) => {
    expect(nextForRequest(reason, RIGHTS)).toBe(RIGHTS);
  });

  it.each([
    ['EPROTO https://127.0.0.1:8500: it does not speak TLS there', /http:\/\//],
    ['400 Client sent an HTTP request to an HTTPS server.', /https:\/\//],
    ['CERT_HAS_EXPIRED https://127.0.0.1:8501: its certificate has expired', /CONSUL_CACERT/],
    ['ECONNRESET http://127.0.0.1:8500', /http_max_conns_per_client/],
    ['no answer within 5000 ms', /does not answer/],
    ['500 No path to datacenter', /servers run/],
    ['500 No cluster leader', /servers' logs/],
  ])('names the likely cause: %s', (reason, next) => {
    expect(nextForAgent(reason)).toMatch(next);
    expect(nextForRequest(reason, RIGHTS)).toMatch(next);
  });

  it('sends a failure of the agent itself to its log', () => {
    expect(nextForAgent('HTTP 500 rpc error')).toMatch(/agent's log/);
  });
});
