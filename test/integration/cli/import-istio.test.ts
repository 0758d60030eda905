import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
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

const RETRIES = 'routes without retries: Istio retries them twice, a policy only where it says retry';

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
    expect({ code, stderr }).toEqual({ code: 0, stderr: `${RETRIES}\n` });
    expect(parse(stdout)).toEqual(document);
    const piped = await graylaneJson(['policy', 'import-istio', '-'], { input: RESOURCES });
    expect(piped.json).toEqual({ service: 'payments', document, unsaid: [], notes: [RETRIES] });
  });

  it('writes a file that can be validated, and ends with 3 where fields are left', async () => {
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
    expect(code).toBe(3);
    expect(stderr.split('\n')).toEqual([
      `not in the document ${join(folder, 'r.yaml')}:5:3 VirtualService/payments.spec.tcp: for TCP`,
      'not looked at: Gateway/g',
      RETRIES,
      `${out} written; try it: graylane policy validate ${out}`,
      '',
    ]);
    expect(JSON.parse(readFileSync(out, 'utf8'))).toMatchObject({ subsets: { v1: { tags: ['v1'] } } });
    expect(await graylane(['policy', 'validate', out])).toMatchObject({ code: 0 });
  });

  it('with --strict writes nothing where anything is left, and ends with 1', async () => {
    const lossy = file('lossy.yaml', RESOURCES.replace('  hosts:', '  tcp: [ {} ]\n  hosts:'));
    const out = join(folder, 'strict.yaml');
    const { code, stdout, stderr } = await graylane(['policy', 'import-istio', lossy, '--strict', '-o', out]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toContain('payments: 1 difference (expected: none, with --strict)');
    expect(existsSync(out)).toBe(false);
    const whole = await graylane(['policy', 'import-istio', file('i.yaml', RESOURCES), '--strict', '-o', out]);
    expect(whole).toMatchObject({ code: 0 });
    expect(parse(readFileSync(out, 'utf8'))).toEqual(document);
  });

  it('ends with 1 where nothing is left', async () => {
    const gateway = RESOURCES.split('---')[0]?.replace('  hosts:', '  gateways: [public]\n  hosts:') ?? '';
    const { code, stdout, stderr } = await graylane(['policy', 'import-istio', file('g.yaml', gateway)]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toContain('payments: nothing that a policy document could say');
    const broken = await graylane(['policy', 'import-istio', file('bad.yaml', 'a: [')]);
    expect(broken).toMatchObject({ code: 1, stdout: '' });
    expect(broken.stderr).toMatch(/bad\.yaml:1:5 document 1: .*\(expected: YAML or JSON\); left out/);
  });

  it('takes several files, folders and standard input together', async () => {
    const [service = '', rule = ''] = RESOURCES.split('---');
    mkdirSync(join(folder, 'base', 'deep'), { recursive: true });
    writeFileSync(join(folder, 'base', 'deep', 'service.yml'), service);
    writeFileSync(join(folder, 'base', 'notes.txt'), 'not read: [');
    const { code, stdout } = await graylane(['policy', 'import-istio', join(folder, 'base'), '-'], { input: rule });
    expect(code).toBe(0);
    expect(parse(stdout)).toEqual(document);
    const { json } = await graylaneJson(['policy', 'import-istio', join(folder, 'base'), '-'], {
      input: rule.replace('spec:', 'spec:\n  workloadSelector: {}'),
    });
    expect(json).toMatchObject({ unsaid: [{ file: '-', document: 1, line: 5, column: 3 }] });
  });

  it.each([
    ['a file that is not there', () => join(folder, 'none.yaml'), [], 'none.yaml: ENOENT'],
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
