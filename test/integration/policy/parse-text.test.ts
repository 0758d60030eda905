import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseDocumentText } from '../../../src/policy/parse-text';

const messages = (text: string | Uint8Array, format: 'json' | 'yaml'): readonly string[] =>
  parseDocumentText(text, format).problems.map((problem) => problem.message);

describe('parseDocumentText', () => {
  it('reads JSON and YAML to the same value', () => {
    const json = parseDocumentText('{"a": [1, {"b": "x"}]}', 'json');
    const yaml = parseDocumentText('a:\n  - 1\n  - b: x\n', 'yaml');
    expect(json).toMatchObject({ value: { a: [1, { b: 'x' }] }, problems: [] });
    expect(yaml).toMatchObject({ value: { a: [1, { b: 'x' }] }, problems: [] });
  });

  it('tells where entries stand, and of what is not there where its parent stands', () => {
    const json = parseDocumentText('{\n  "a": [\n    1,\n    {"b": 2}\n  ]\n}', 'json').positions;
    expect(json.locate(['a'])).toEqual({ line: 2, column: 3 });
    expect(json.locate(['a', 1])).toEqual({ line: 4, column: 5 });
    expect(json.locate(['a', 1, 'b'])).toEqual({ line: 4, column: 6 });
    expect(json.locate(['a', 1, 'missing'])).toEqual({ line: 4, column: 5 });
    const yaml = parseDocumentText('# policy\na:\n  - 1\n  - b: 2\n', 'yaml').positions;
    expect(yaml.locate(['a', 1, 'b'])).toEqual({ line: 4, column: 5 });
    expect(yaml.locate(['a', 1, 'missing'])).toEqual({ line: 4, column: 5 });
  });

  it('ignores a byte-order mark, in text and in bytes', () => {
    expect(parseDocumentText('\uFEFF{"a":1}', 'json')).toMatchObject({ value: { a: 1 }, problems: [] });
    expect(parseDocumentText(Buffer.from('\uFEFFa: 1'), 'yaml')).toMatchObject({ value: { a: 1 }, problems: [] });
  });

  it.each([
    ['blank JSON', '', 'json', 'policy: blank (expected: a policy document)'],
    ['blank YAML', ' \n\t\n', 'yaml', 'policy: blank (expected: a policy document)'],
    ['too long', 'x'.repeat(262_145), 'yaml', 'policy: 262145 bytes (expected: at most 262144 bytes)'],
    ['too long in bytes', 'é'.repeat(131_073), 'yaml', 'policy: 262146 bytes (expected: at most 262144 bytes)'],
    ['not UTF-8', Buffer.from([0x61, 0x3a, 0xff, 0xfe]), 'yaml', 'policy: bytes that are not UTF-8 (expected: UTF-8)'],
    ['duplicate JSON keys', '{"a": 1, "b": {"c": 1, "c": 2}}', 'json', 'b.c: given twice (expected: each key once)'],
    ['escaped duplicate JSON keys', '{"a": 1, "\\u0061": 2}', 'json', 'a: given twice (expected: each key once)'],
    ['duplicate YAML keys', 'a: 1\na: 2', 'yaml', 'a: given twice (expected: each key once)'],
  ] as const)('refuses %s', (_, text, format, message) => {
    expect(messages(text, format)).toContain(message);
  });

  it.each([
    ['cut JSON', '{"schema": 1, ', 'json'],
    ['JSON with a comment', '{"a": 1} // x', 'json'],
    ['cut YAML', 'a: [1, 2', 'yaml'],
    ['an unknown tag', 'a: !secret x', 'yaml'],
    ['several YAML documents', 'a: 1\n---\nb: 2', 'yaml'],
    ['keys that are objects', '{a: 1}: x', 'yaml'],
    ['aliases that explode', explodingAliases(), 'yaml'],
    ['lists without end in YAML', '['.repeat(100_000), 'yaml'],
    ['lists without end in JSON', '['.repeat(100_000), 'json'],
  ] as const)('refuses %s', (_, text, format) => {
    const parsed = parseDocumentText(text, format);
    expect(parsed.value).toBeUndefined();
    expect(parsed.problems.length).toBeGreaterThan(0);
    expect(parsed.problems.length).toBeLessThan(10);
  });

  it('keeps what YAML 1.1 would take for other things', () => {
    expect(parseDocumentText('a: off\nb: 2026-12-01T10:00:00Z\n<<: x', 'yaml').value).toEqual({
      a: 'off',
      b: '2026-12-01T10:00:00Z',
      '<<': 'x',
    });
  });

  it('takes __proto__ for ordinary text', () => {
    for (const [text, format] of [
      ['{"__proto__": {"polluted": 1}}', 'json'],
      ['__proto__: { polluted: 1 }', 'yaml'],
    ] as const) {
      const { value } = parseDocumentText(text, format);
      expect(Object.keys(value as object)).toEqual(['__proto__']);
      expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
      expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
    }
  });

  it('finds every entry of any JSON, however it is written', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 5 }), fc.constantFrom(0, 2, '\t'), (value, indent) => {
        const text = JSON.stringify(value, null, indent);
        const parsed = parseDocumentText(text, 'json');
        expect(parsed.value).toEqual(JSON.parse(text));
        expect(parsed.problems).toEqual([]);
        if (typeof value !== 'object' || value === null || Array.isArray(value)) return;
        const lines = text.split('\n');
        for (const key of Object.keys(value)) {
          const position = parsed.positions.locate([key]);
          expect(lines[(position?.line ?? 0) - 1]?.slice((position?.column ?? 0) - 1)).toMatch(/^"/);
          expect(lines[(position?.line ?? 0) - 1]?.slice((position?.column ?? 0) - 1)).toContain(JSON.stringify(key));
        }
      }),
    );
  });

  it('never throws, whatever the text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.constantFrom('json', 'yaml'), (text, format) => {
        const parsed = parseDocumentText(text, format);
        expect(parsed.value === undefined).toBe(parsed.problems.length > 0 && parsed.value === undefined);
      }),
      { numRuns: 500 },
    );
  });
});

function explodingAliases(): string {
  const lines = ['a0: &a0 [x, x, x, x, x, x, x, x, x]'];
  for (let level = 1; level < 9; level += 1) {
    lines.push(
      `a${level}: &a${level} [${Array(9)
        .fill(`*a${level - 1}`)
        .join(', ')}]`,
    );
  }
  return lines.join('\n');
}
