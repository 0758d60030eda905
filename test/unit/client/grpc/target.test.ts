import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatTarget, parseTarget, type Target, targetFromUri } from '../../../../src/client/grpc/target';
import { createGraylane, GraylaneError } from '../../../../src/index';
import { runs } from '../../../support/slice';

describe('parseTarget', () => {
  it('reads the whole grammar', () => {
    expect(parseTarget('consul://10.0.0.1:8500/payments?dc=dc1,dc2&tag=a&tag=b&policy=kv')).toEqual({
      scheme: 'consul',
      authority: '10.0.0.1:8500',
      service: 'payments',
      datacenters: ['dc1', 'dc2'],
      tags: ['a', 'b'],
      policy: 'kv',
    });
    expect(parseTarget('consul:///payments')).toMatchObject({ authority: undefined, datacenters: undefined, tags: [] });
    expect(parseTarget('consul://[::1]:8500/payments')).toMatchObject({ authority: '[::1]:8500' });
    expect(parseTarget('static:///shop.v1-payments_2?policy=none')).toMatchObject({ scheme: 'static', policy: 'none' });
  });

  it.each([
    ['nothing', ''],
    ['no scheme', 'payments'],
    ['another scheme', 'dns:///payments'],
    ['a scheme without slashes', 'consul:payments'],
    ['an empty service', 'consul:///'],
    ['an empty service with a query', 'consul:///?dc=dc1'],
    ['dots that climb', 'consul:///..'],
    ['dots that climb inside', 'consul:///a/../b'],
    ['two dots', 'consul:///a..b'],
    ['an encoded slash', 'consul:///pay%2fments'],
    ['a slash', 'consul:///pay/ments'],
    ['a line break', 'consul:///pay\r\nments'],
    ['a line break in the query', 'consul:///payments?dc=dc1\r\nx: y'],
    ['a null', 'consul:///pay\0ments'],
    ['user information', 'consul://user:secret@host:8500/payments'],
    ['a host without a port', 'consul://host/payments'],
    ['port 0', 'consul://host:0/payments'],
    ['port 65536', 'consul://host:65536/payments'],
    ['a port that is none', 'consul://host:http/payments'],
    ['an unknown query key', 'consul:///payments?datacenter=dc1'],
    ['a query key twice', 'consul:///payments?dc=dc1&dc=dc2'],
    ['a policy twice', 'consul:///payments?policy=kv&policy=none'],
    ['an empty list of datacenters', 'consul:///payments?dc='],
    ['a datacenter twice', 'consul:///payments?dc=dc1,dc1'],
    ['an empty tag', 'consul:///payments?tag='],
    ['an unknown policy mode', 'consul:///payments?policy=vault'],
    ['an authority in a static target', 'static://host:1/payments'],
    ['a datacenter in a static target', 'static:///payments?dc=dc1'],
    ['a fragment', 'consul:///payments#x'],
    ['a name that is not ASCII', 'consul:///zahlüng'],
    ['10,000 characters', `consul:///${'a'.repeat(10_000)}`],
  ])('refuses %s, saying what was expected, quoting it escaped and cut', (_what, text) => {
    const parse = (): Target => parseTarget(text);
    expect(parse).toThrow(expect.objectContaining({ code: 'INVALID_TARGET' }));
    expect(parse).toThrow(/\(expected: /);
    try {
      parse();
    } catch (error) {
      const { message } = error as Error;
      expect(message).not.toMatch(/\p{Cc}/u);
      expect(message.length).toBeLessThan(400);
    }
  });

  it('does not repeat a password that somebody put into a target', () => {
    for (const text of [
      'consul://user:s3cret@host:8500/payments',
      'consul://s3cret@host/payments',
      'http://a:s3cret@h',
    ]) {
      expect(() => parseTarget(text)).toThrow(
        expect.objectContaining({ message: expect.not.stringContaining('s3cret') }),
      );
    }
  });

  it('throws nothing but a GraylaneError, whatever it is given', () => {
    const pieces = fc.constantFrom(
      'consul',
      'static',
      ':',
      '//',
      '/',
      '?',
      '&',
      '=',
      'dc',
      'tag',
      'policy',
      '%2f',
      '..',
    );
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.array(fc.oneof(pieces, fc.string({ maxLength: 3 })), { maxLength: 12 }).map((parts) => parts.join('')),
      fc.string().map((rest) => `consul:///payments?${rest}`),
      fc.string().map((rest) => `consul://${rest}/payments`),
    );
    fc.assert(
      fc.property(text, (given) => {
        try {
          const target = parseTarget(given);
          // What passes is safe to be put into a URL, a log line and a KV path.
          expect(target.service).toMatch(/^[\w.-]+$/);
          expect(target.service).not.toContain('..');
        } catch (error) {
          expect(error).toBeInstanceOf(GraylaneError);
        }
      }),
      { numRuns: runs(2_000) },
    );
  });
});

const name = fc.stringMatching(/^[a-z0-9][a-z0-9_-]{0,11}$/);
const consulTarget: fc.Arbitrary<Target> = fc.record({
  scheme: fc.constant('consul' as const),
  authority: fc.option(
    fc
      .tuple(fc.oneof(name, fc.ipV4(), fc.constant('[::1]')), fc.integer({ min: 1, max: 65_535 }))
      .map((pair) => pair.join(':')),
    { nil: undefined },
  ),
  service: fc.stringMatching(/^[A-Za-z0-9](?:[A-Za-z0-9_-]|\.[a-z]){0,20}$/),
  datacenters: fc.option(fc.uniqueArray(name, { minLength: 1, maxLength: 4 }), { nil: undefined }),
  tags: fc.array(fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9_.:=-]{0,10}$/), { maxLength: 3 }),
  policy: fc.option(fc.constantFrom('auto', 'inline', 'kv', 'chain', 'none'), { nil: undefined }),
});

describe('formatTarget', () => {
  it('writes what parseTarget reads, and equal targets as equal text', () => {
    fc.assert(
      fc.property(consulTarget, (target) => {
        const text = formatTarget(target);
        expect(parseTarget(text)).toEqual(target);
        expect(formatTarget(parseTarget(text))).toBe(text);
      }),
    );
  });

  it('survives what grpc-js makes of the text', () => {
    expect(targetFromUri({ scheme: 'consul', authority: 'h:8500', path: 'payments?dc=dc1,dc2' })).toEqual(
      parseTarget('consul://h:8500/payments?dc=dc1,dc2'),
    );
  });
});

describe('graylane.target', () => {
  it('refuses what the grammar has no room for, at once', async () => {
    const graylane = createGraylane({ instances: {} });
    expect(graylane.target('payments')).toBe('static:///payments');
    expect(() => graylane.target('pay?dc=dc9')).toThrow(expect.objectContaining({ code: 'INVALID_TARGET' }));
    expect(() => graylane.target('')).toThrow(expect.objectContaining({ code: 'INVALID_TARGET' }));
    expect(() => graylane.target('payments', { datacenters: ['dc1'] })).toThrow(/only policy in the query/);
    await graylane.close();
  });
});
