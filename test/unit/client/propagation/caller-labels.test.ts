import { describe, expect, it } from 'vitest';
import { OptionReader } from '../../../../src/base/option-reader';
import {
  addCallerLabels,
  type CallerFacts,
  type CallerOptions,
  readCallerOptions,
} from '../../../../src/client/propagation/caller-labels';

function labelsOf(caller: CallerOptions, facts: Partial<CallerFacts>): Record<string, string> {
  const rules = readCallerOptions(new OptionReader({ caller }, '', ['caller']), []);
  const labels: Record<string, string> = {};
  if (rules !== undefined) {
    addCallerLabels(labels, rules, {
      address: undefined,
      forwardedFor: [],
      certificate: () => undefined,
      ...facts,
    });
  }
  return labels;
}

describe('the address of a caller', () => {
  it.each<[string, string | undefined, readonly string[], string | undefined]>([
    ['a stranger', '203.0.113.9', ['192.0.2.1'], '203.0.113.9'],
    ['IPv4 as Node writes it on a socket for both', '::ffff:203.0.113.9', [], '203.0.113.9'],
    ['IPv6', '2001:db8::1', [], '2001:db8::1'],
    ['a Unix socket', undefined, ['192.0.2.1'], undefined],
    ['a proxy', '10.0.0.1', ['192.0.2.1'], '192.0.2.1'],
    ['two proxies', '10.0.0.1', ['192.0.2.1, 10.9.9.9'], '192.0.2.1'],
    ['a client that wrote a header of its own', '10.0.0.1', ['6.6.6.6, 192.0.2.1'], '192.0.2.1'],
    ['the same in two headers', '10.0.0.1', ['6.6.6.6', '192.0.2.1'], '192.0.2.1'],
    ['ports and brackets', '10.0.0.1', ['192.0.2.1:5000, [2001:db8::7]:80'], '2001:db8::7'],
    ['a proxy that says nothing', '10.0.0.1', [], '10.0.0.1'],
    ['a proxy that says nonsense', '10.0.0.1', ['192.0.2.1, unknown'], '10.0.0.1'],
    ['proxies alone', '10.0.0.1', ['10.0.0.3, 10.0.0.2'], '10.0.0.3'],
    ['a very long header', '10.0.0.1', [`${'6.6.6.6, '.repeat(10_000)}192.0.2.1`], '192.0.2.1'],
  ])('%s', (_, address, forwardedFor, expected) => {
    const labels = labelsOf({ address: 'x-address', trustedProxies: ['10.0.0.0/8'] }, { address, forwardedFor });
    expect(labels).toEqual(expected === undefined ? {} : { 'x-address': expected });
  });

  it('believes nobody unless told to', () => {
    const facts = { address: '10.0.0.1', forwardedFor: ['192.0.2.1'] };
    expect(labelsOf({ address: 'x-address' }, facts)).toEqual({ 'x-address': '10.0.0.1' });
  });
});

describe('the identity of a caller', () => {
  it.each<[string, string | undefined, string | undefined, string | undefined]>([
    ['a SPIFFE ID before names', 'DNS:orders.internal, URI:spiffe://prod/orders', 'o', 'spiffe://prod/orders'],
    ['the first name', 'DNS:orders.internal, DNS:other', 'o', 'orders.internal'],
    ['the common name', undefined, 'orders', 'orders'],
    ['an address alone is no identity of a service', 'IP Address:10.0.0.1', 'orders', 'orders'],
    ['a name in quotes, which could pass for two', 'DNS:"a, DNS:admin"', undefined, undefined],
    ['nothing', undefined, undefined, undefined],
    ['no plain text', undefined, 'caf\u00e9', undefined],
    ['a comma', undefined, 'a,b', undefined],
  ])('%s', (_, subjectaltname, commonName, expected) => {
    const certificate = (): ReturnType<CallerFacts['certificate']> =>
      ({ subjectaltname, subject: { CN: commonName } }) as unknown as ReturnType<CallerFacts['certificate']>;
    expect(labelsOf({ identity: 'X-Caller' }, { certificate })).toEqual(
      expected === undefined ? {} : { 'x-caller': expected },
    );
  });

  it('is unknown without a certificate', () => {
    expect(labelsOf({ identity: 'x-caller' }, {})).toEqual({});
  });
});

describe('readCallerOptions', () => {
  it.each<[unknown, string]>([
    [
      { adress: 'x-a' },
      'f.caller.adress: unknown (expected: address, identity, trustedProxies; did you mean address?)',
    ],
    [{ address: 'cookie' }, 'f.caller.address: "cookie" (expected: a key that holds no credentials)'],
    [{ address: 7 }, 'f.caller.address: 7 (expected: a metadata key: letters, digits, _ . -)'],
    [{ identity: 'X-Gray' }, 'f.caller.identity: "X-Gray" (expected: a key that no caller may set by accept)'],
    [
      { trustedProxies: ['10.0.0.0/99'] },
      'f.caller.trustedProxies[0]: "10.0.0.0/99" (expected: a block such as 10.0.0.0/8)',
    ],
    ['x', 'f.caller: a string (expected: an object with address, identity, trustedProxies)'],
  ])('%j', (caller, problem) => {
    const read = new OptionReader({ caller }, 'f', ['caller']);
    readCallerOptions(read, ['x-gray']);
    expect(read.problems).toEqual([problem]);
  });
});
