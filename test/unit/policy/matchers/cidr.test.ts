import { BlockList, isIP } from 'node:net';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cidrTest, isCidr } from '../../../../src/policy/matchers/cidr';
import { runs } from '../../../support/slice';

const mapped = fc.ipV4().map((address) => `::ffff:${address}`);
const near = fc
  .tuple(fc.constantFrom('10.0', '192.168', '127.0'), fc.nat(255), fc.nat(255))
  .map((parts) => parts.join('.'));
/** Node takes the former IPv4-compatible form, `::10.0.0.1`, for IPv6 alone. */
const isCompatible = (text: string): boolean => /^::\d+\./.test(text);
const ipv6 = fc.ipV6().filter((text) => !isCompatible(text));
const address = fc.oneof(fc.ipV4(), near, ipv6, mapped);
const text = fc.oneof(address, fc.string({ unit: fc.constantFrom(...'0123456789abcdef:./%x'), maxLength: 20 }));

describe('blocks of addresses', () => {
  it('takes for an address what Node takes for one', () => {
    fc.assert(
      fc.property(text, (value) => {
        expect(cidrTest(['0.0.0.0/0', '::/0'])(value)).toBe(
          isIP(value.includes(':') ? value.replace(/%.*$/, '') : value) !== 0,
        );
      }),
      { numRuns: runs(2_000) },
    );
  });

  it("agrees with Node's list of blocks", () => {
    fc.assert(
      fc.property(address, address, fc.nat(128), (block, value, length) => {
        const prefixLength = block.includes(':') ? length : length % 33;
        // Node's list answers differently for the two spellings of an IPv4 address here.
        fc.pre(!block.includes(':') || prefixLength >= 96 || !/^(::ffff:)?[\d.]+$/.test(value));
        const list = new BlockList();
        list.addSubnet(block, prefixLength, isIP(block) === 4 ? 'ipv4' : 'ipv6');
        const expected = list.check(value, isIP(value) === 4 ? 'ipv4' : 'ipv6');
        expect([value, `${block}/${prefixLength}`, cidrTest([`${block}/${prefixLength}`])(value)]).toEqual([
          value,
          `${block}/${prefixLength}`,
          expected,
        ]);
      }),
      { numRuns: runs(2_000) },
    );
  });

  it.each(['1.2.3.4', '::ffff:1.2.3.4'])('finds %s in no IPv6 block', (value) => {
    expect(cidrTest(['::/0'])(value)).toBe(false);
  });

  it.each(['10.0.0.0/33', '2001:db8::/129', '10.0.0', '010.0.0.1', 'fe80::1%eth0', '::1/', 'localhost', ''])(
    'refuses %s',
    (block) => {
      expect(isCidr(block)).toBe(false);
    },
  );
});
