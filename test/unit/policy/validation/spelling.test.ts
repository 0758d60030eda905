import { describe, expect, it } from 'vitest';
import { parseDocumentText } from '../../../../src/policy/parse-text';
import { validatePolicy } from '../../../../src/policy/validate';

const problemsOf = (text: string, service = 'payments'): readonly string[] => {
  const { value, positions, problems } = parseDocumentText(text, 'yaml');
  expect(problems).toEqual([]);
  return validatePolicy(value, { service, positions }).problems.map(({ message }) => message);
};

describe('a number where a text is expected', () => {
  it.each(['1.0', '1.10', '0x1f', '1e3', '+5', '007'])('is shown as it is written: %s', (version) => {
    const text = `schema: 1\nservice: payments\nsubsets: { v1: { meta: { version: ${version} } } }\n`;
    expect(problemsOf(text)).toEqual([expect.stringContaining(`subsets.v1.meta.version: ${version} (expected: `)]);
  });
});

describe('the name of a service', () => {
  it.each(['a/b', 'a b', '"a\\nb"', '""', 'a?b', `"${'x'.repeat(300)}"`])(
    'is one that Consul and a path can hold: %s',
    (name) => {
      expect(problemsOf(`schema: 1\nservice: ${name}\n`)).toContainEqual(
        expect.stringMatching(/^service: .*\(expected: a service name of/),
      );
    },
  );

  it.each(['payments', 'payments-v2', 'api.example.com', 'a_b', 'A1'])('may be %s', (name) => {
    expect(problemsOf(`schema: 1\nservice: ${name}\n`, name)).toEqual([]);
  });
});
