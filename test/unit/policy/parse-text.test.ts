import { describe, expect, it } from 'vitest';
import { parsePolicyText } from '../../../src/policy/parse-text';

const problemsOf = (text: string | Uint8Array, format: 'json' | 'yaml'): readonly string[] =>
  parsePolicyText(text, format).problems.map(({ message }) => message);
const wide = (text: string): Buffer => Buffer.from(text, 'utf16le');
const BOM = '\uFEFF';

describe('a text that is no document', () => {
  it.each<readonly [what: string, text: string, hint: RegExp]>([
    ['a comment', '{\n// why\n"schema": 1}', /JSON has no comments; name the file \.yaml/],
    ['a comment of #', '# why\n{"schema": 1}', /JSON has no comments/],
    ['a last comma', '{"schema": 1,}', /no comma stands before \} or \]/],
    ['a last comma of a list', '{"tags": ["a",\n]}', /no comma stands before/],
    ['single quotes', "{'schema': 1}", /texts stand in double quotes/],
    ['YAML', 'schema: 1\nservice: payments\n', /this looks like YAML; name the file \.yaml/],
  ])('in JSON: %s', (_, text, hint) => {
    expect(problemsOf(text, 'json')).toEqual([expect.stringMatching(hint)]);
  });

  it.each([
    ['a text that only quotes them', '{"a": "// no, [1,] and \'", "b": }'],
    ['an end that is missing', '{"schema": 1'],
  ])('in JSON has no hint that is wrong: %s', (_, text) => {
    expect(problemsOf(text, 'json')).toEqual([expect.not.stringMatching(/comments|comma|quotes|YAML/)]);
  });

  it.each([
    ['with its mark', wide(`${BOM}schema: 1\n`)],
    ['big-endian', Buffer.from(wide(`${BOM}schema: 1\n`)).swap16()],
    ['without a mark', wide('schema: 1\n')],
    ['big-endian, without a mark', Buffer.from(wide('schema: 1\n')).swap16()],
  ])('is UTF-16 %s', (_, bytes) => {
    expect(problemsOf(bytes, 'yaml')).toEqual(['policy: UTF-16 (expected: UTF-8)']);
  });

  it.each([
    ['Latin-1', Buffer.from('service: caf\u00e9\n', 'latin1'), ['policy: bytes that are not UTF-8 (expected: UTF-8)']],
    ['UTF-8 with a mark and Windows line ends', Buffer.from(`${BOM}schema: 1\r\nservice: p\r\n`), []],
  ])('%s', (_, bytes, problems) => {
    expect(problemsOf(bytes, 'yaml')).toEqual(problems);
  });
});
