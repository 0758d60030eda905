import { readFileSync } from 'node:fs';
import { Ajv } from 'ajv';
import { describe, expect, it } from 'vitest';
import { isLaterVersion, SDK_VERSION } from '../../../src/base/sdk-version';
import { policySchema } from '../../../src/policy/policy-schema';

describe('the published schema', () => {
  it('is a valid draft-07 schema that a strict validator compiles', () => {
    const ajv = new Ajv({ allowUnionTypes: true, strictRequired: false, strictTypes: false });
    expect(ajv.validateSchema(policySchema)).toBe(true);
    expect(ajv.compile(policySchema)({ schema: 1, service: 'payments' })).toBe(true);
  });
});

describe('SDK_VERSION', () => {
  it('is the version of the package', () => {
    const manifest: { version: string } = JSON.parse(readFileSync('package.json', 'utf8'));
    expect(SDK_VERSION).toBe(manifest.version);
  });

  it('compares by number, not by letter', () => {
    expect(isLaterVersion('0.10.0', '0.9.9')).toBe(true);
    expect(isLaterVersion('1.0.0', '1.0.0')).toBe(false);
    expect(isLaterVersion('1.2.3', '1.2.4')).toBe(false);
    expect(isLaterVersion('2.0.0', '1.99.99')).toBe(true);
  });
});
