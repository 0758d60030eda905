import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { graylane, graylaneJson } from './built-command';

const RESOURCES = `
kind: VirtualService
metadata: { name: payments }
spec:
  hosts: [payments]
  http:
    - match: [ { headers: { x-gray: { exact: canary } } } ]
      route: [ { destination: { host: payments, subset: v2 } } ]
    - route: [ { destination: { host: payments, subset: v1 } } ]
---
kind: DestinationRule
metadata: { name: payments }
spec:
  host: payments
  subsets: [ { name: v1, labels: { version: v1 } }, { name: v2, labels: { version: v2 } } ]
`;

describe('graylane policy import-istio', () => {
  let folder: string;
  const file = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'graylane-istio-'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const document = {
    schema: 1,
    service: 'payments',
    subsets: { v1: { meta: { version: 'v1' } }, v2: { meta: { version: 'v2' } } },
    default: 'v1',
    routes: [{ name: 'http[0]', match: { labels: { 'x-gray': 'canary' } }, to: 'v2' }],
  };

  it('prints the document, from a file or from standard input', async () => {
    const { code, stdout, stderr } = await graylane(['policy', 'import-istio', file('i.yaml', RESOURCES)]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(parse(stdout)).toEqual(document);
    const piped = await graylaneJson(['policy', 'import-istio', '-'], { input: RESOURCES });
    expect(piped.json).toEqual({ service: 'payments', document, unsaid: [], notes: [] });
  });

  it('writes a file that can be validated, and ends with 1 where fields are left', async () => {
    const rich = RESOURCES.replace('  hosts:', '  tcp: [ {} ]\n  hosts:').concat(
      '---\nkind: Gateway\nmetadata: { name: g }\n',
    );
    const out = join(folder, 'out.json');
    const { code, stderr } = await graylane([
      'policy',
      'import-istio',
      file('r.yaml', rich),
      '-o',
      out,
      '--labels',
      'tags',
    ]);
    expect(code).toBe(1);
    expect(stderr.split('\n')).toEqual([
      'not in the document VirtualService/payments.spec.tcp: for TCP',
      'not looked at: Gateway/g',
      `${out} written; try it: graylane policy validate ${out}`,
      '',
    ]);
    expect(JSON.parse(readFileSync(out, 'utf8'))).toMatchObject({ subsets: { v1: { tags: ['v1'] } } });
    expect(await graylane(['policy', 'validate', out])).toMatchObject({ code: 0 });
  });

  it.each([
    ['a file that is not there', () => join(folder, 'none.yaml'), [], 'none.yaml: ENOENT'],
    ['no YAML', () => file('bad.yaml', 'a: ['), [], '(expected: YAML)'],
    ['nothing of Istio', () => file('none2.yaml', 'kind: Pod'), [], 'no VirtualService and no DestinationRule'],
    [
      'several services',
      () => file('two.yaml', `${RESOURCES}---\nkind: DestinationRule\nspec: { host: orders }\n`),
      [],
      '2 services (expected: one of payments, orders)',
    ],
    [
      'another service',
      () => file('i.yaml', RESOURCES),
      ['--service', 'x'],
      '--service: x (expected: one of payments)',
    ],
  ])('ends with 2 for %s', async (_, path, args, message) => {
    const { code, stderr } = await graylane(['policy', 'import-istio', path(), ...args]);
    expect(code).toBe(2);
    expect(stderr).toContain(message);
  });
});
