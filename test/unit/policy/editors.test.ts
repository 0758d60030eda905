import { readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { Ajv } from 'ajv';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import manifest from '../../../package.json';
import { policySchema } from '../../../src/policy/policy-schema';
import { fencesOf, pages } from '../../integration/docs/fences';

const root = join(__dirname, '..', '..', '..');
const MODELINE = /^# yaml-language-server: \$schema=(\S+)$/m;

/** What an editor says of a file whose first line names the schema of policies. */
function complaints(text: string): readonly string[] {
  const ajv = new Ajv({ allErrors: true, allowUnionTypes: true, strictRequired: false, strictTypes: false });
  const validate = ajv.compile(policySchema);
  validate(parse(text));
  return (validate.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`);
}

describe('editors', () => {
  const file = join(root, 'examples', 'policy-file', 'payments.yaml');
  const text = readFileSync(file, 'utf8');

  it('find the schema that the example names, and have nothing to complain of', () => {
    const [, named = ''] = MODELINE.exec(text) ?? [];
    expect(relative(root, join(dirname(file), named))).toBe(join(manifest.exports['./policy.schema.json']));
    expect(complaints(text)).toEqual([]);
    expect(complaints(text.replace('weight: 95', 'weight: many').replace('default:', 'defualt:'))).toEqual([
      expect.stringContaining('additional properties'),
      expect.stringContaining('/routes/0/split/0/weight'),
    ]);
  });

  it('find the schemas of the installed package where the docs say they are', () => {
    const named = pages.flatMap(fencesOf).flatMap((fence) => MODELINE.exec(fence.text)?.[1] ?? []);
    const shipped = (['policy', 'rollout', 'waves', 'controller'] as const).map(
      (name) => manifest.exports[`./${name}.schema.json`],
    );
    expect(new Set(named)).toEqual(new Set(shipped.map((file) => join('node_modules/graylane', file))));
  });
});
