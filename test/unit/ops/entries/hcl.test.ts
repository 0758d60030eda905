import { describe, expect, it } from 'vitest';
import { HclError, parseHcl } from '../../../../src/ops/entries/hcl';

const read = (text: string): unknown => parseHcl(text).value;

describe('HCL as config entries use it', () => {
  it('reads attributes, blocks, lists, objects and comments', () => {
    const text = `
# a router
Kind = "service-router" // one of them
Name: "payments"
/* two
   routes */
Routes = [
  {
    Match {
      HTTP { PathPrefix = "/shop.v1.Payments/", CaseInsensitive = true
        Header = [ { Name = "x-gray" Exact = "can\\"ary\\u0021" } ]
      }
    }
    Destination { NumRetries = 2 RequestTimeout = "1.5s" Weight = -0.5e1 Nothing = null }
  },
  { Destination = { "Service" = "orders" } },
]
`;
    expect(read(text)).toEqual({
      Kind: 'service-router',
      Name: 'payments',
      Routes: [
        {
          Match: {
            HTTP: {
              PathPrefix: '/shop.v1.Payments/',
              CaseInsensitive: true,
              Header: [{ Name: 'x-gray', Exact: 'can"ary!' }],
            },
          },
          Destination: { NumRetries: 2, RequestTimeout: '1.5s', Weight: -5, Nothing: null },
        },
        { Destination: { Service: 'orders' } },
      ],
    });
  });

  it('reads blocks with labels, repeated blocks and long texts', () => {
    expect(read('Subsets "v1" { Filter = "a" }')).toEqual({ Subsets: { v1: { Filter: 'a' } } });
    expect(read('Subsets {\n v1 { Filter = "a" }\n "v2" = { Filter = "b" }\n}')).toEqual({
      Subsets: { v1: { Filter: 'a' }, v2: { Filter: 'b' } },
    });
    expect(read('Splits { Weight = 90 }\nSplits { Weight = 10 }')).toEqual({
      Splits: [{ Weight: 90 }, { Weight: 10 }],
    });
    expect(read('Filter = <<EOT\na\n b\nEOT\nName = "x"')).toEqual({ Filter: 'a\n b\n', Name: 'x' });
    expect(read('Filter = <<-EOT\n  a\n   b\n  EOT\n')).toEqual({ Filter: 'a\n b\n' });
    expect(read('')).toEqual({});
    expect(read('__proto__ = 1')).toEqual(Object.fromEntries([['__proto__', 1]]));
  });

  it.each([
    ['a', '"" (expected: =, a label or {)'],
    ['a = ', '"" (expected: a text in quotes'],
    ['a = b', '"b" (expected: a text in quotes'],
    ['a = max(1, 2)', '"max(1, 2)" (expected: a text'],
    [['a = "x$', '{var.b}"'].join(''), 'a template (expected: a plain text'],
    ['a = 1\na = 2', 'a given twice'],
    ['a = 1\na { }', 'a given twice'],
    ['a {', 'a block that does not end'],
    ['a = [1 2]', '"2]" (expected: , or ])'],
    ['a = [1', '"" (expected: , or ])'],
    ['a = [1,', 'a list that does not end'],
    ['}', '} without a block'],
    ['= 1', '"= 1" (expected: the name'],
    ['a = 0x1', '"0x1" (expected'],
    [`a = ${'['.repeat(100)}`, 'more than 32 lists'],
    [`${'a {'.repeat(100)}`, 'more than 32 blocks'],
    ['x'.repeat(1_000_001), 'more than 1000000 characters'],
  ])('refuses the rest with the place: %.20s', (text, message) => {
    expect(() => read(text)).toThrow(HclError);
    expect(() => read(text)).toThrow(message);
  });

  it('knows where things stand', () => {
    const { offsets } = parseHcl('A = 1\nB {\n  C = [{ D = 2 }]\n}');
    expect(offsets.get('["B","C",0,"D"]')).toBe(19);
    expect(offsets.get('["B"]')).toBe(6);
  });
});
