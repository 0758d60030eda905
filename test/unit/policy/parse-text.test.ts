import { describe, expect, it } from 'vitest';
import { parseDocumentText, parseDocumentTexts } from '../../../src/policy/parse-text';

const problemsOf = (text: string | Uint8Array, format: 'json' | 'yaml'): readonly string[] =>
  parseDocumentText(text, format).problems.map(({ message }) => message);
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

  const base = 'schema: 1\nservice: payments\n';
  it.each<readonly [what: string, text: string, place: string, hint: RegExp]>([
    ['a tab', `${base}\tdefault: stable\n`, '3:1', /lines are indented by spaces/],
    ['text that begins with @', `${base}default: @stable\n`, '3:10', /begins with @, ` or % stands in quotes/],
    ['text that begins with `', `${base}default: \`stable\`\n`, '3:10', /begins with @, ` or % stands in quotes/],
    ['an item that begins with %', `${base}idempotent: [%a]\n`, '3:14', /begins with @, ` or % stands in quotes/],
    ['a star', `${base}idempotent: [*]\n`, '3:15', /begins with \* or & stands in quotes/],
    ['a star in a line of its own', `${base}idempotent:\n  - *\n`, '4:6', /begins with \* or & stands in quotes/],
    ['a quote that is not closed', `${base}default: "stable\nroutes: []\n`, '4:1', /a " is not closed/],
    ['a quote inside', `${base}default: 'it's'\n`, '3:14', /a ' is not closed; inside of two it is written twice/],
    ['a bracket that is not closed', `${base}idempotent: [a, b\nroutes: []\n`, '4:1', /a \[ or \{ is not closed/],
    ['a brace that is not closed', `${base}retry: { maxAttempts: 2\nroutes: []\n`, '4:1', /a \[ or \{ is not closed/],
    ['no blank after a colon', `schema:1\nservice: payments\n`, '2:8', /a blank stands between a colon and its value/],
    ['a colon in a text', `${base}default: a: b\n`, '3:11', /holds a colon and a blank stands in quotes/],
    ['a comment of another language', `{"schema": 1} // why\n`, '1:15', /a comment begins with #/],
    ['a template', `${base}default: {{ .Values.subset }}\n`, '3:11', /this looks like a template/],
  ])('in YAML: %s', (_, text, place, hint) => {
    const [problem, ...others] = parseDocumentText(text, 'yaml').problems;
    expect(others).toEqual([]);
    expect(problem?.message).toMatch(/^policy: not YAML \(expected: YAML 1\.2; .+\)$/);
    expect(problem?.message).toMatch(hint);
    expect(`${problem?.line}:${problem?.column}`).toBe(place);
  });

  it.each([
    ['lines that do not stand below each other', `${base}routes:\n  - name: "a: b"\n - name: 'c'\n`],
    ['texts that hold brackets, quotes and addresses', `${base}a: "[ { ' it's http://x"\n  b: 1\n c: 2\n`],
  ])('in YAML has no hint that is wrong: %s', (_, text) => {
    expect(problemsOf(text, 'yaml')).toEqual([expect.not.stringMatching(/closed|quotes|blank|comment|template/)]);
  });

  it('tells of several documents only what is wrong with each', () => {
    const texts = parseDocumentTexts(`${base}---\nschema:1\nservice: b\n---\n# nothing\n---\nschema: 1\n`, 'yaml');
    expect(texts.map(({ value, problems }) => [value, problems.map(({ line }) => line)])).toEqual([
      [{ schema: 1, service: 'payments' }, []],
      [undefined, [5]],
      [{ schema: 1 }, []],
    ]);
    expect(texts[2]?.positions.locate(['schema'])).toEqual({ line: 9, column: 1 });
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
