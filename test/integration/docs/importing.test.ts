import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { compilePolicy } from '../../../src/policy/compile';
import { importRoutes } from '../policy/gateway/import-routes';
import { fencesOf } from './fences';

const fences = fencesOf('docs/importing.md');
const policies = fences.filter(({ text }) => text.startsWith('schema: 1'));

describe('docs/importing.md', () => {
  it('has a policy for each translation, and each can be applied without a warning', () => {
    expect(policies.length).toBeGreaterThanOrEqual(7);
    for (const { text, where } of policies) {
      const plan = compilePolicy({ content: text, format: 'yaml' }, { service: 'payments', origin: 'inline' });
      expect([where, plan.warnings]).toEqual([where, []]);
    }
  });

  it('shows what import-gateway makes of its routes', () => {
    const routes = fences.find(({ text }) => text.startsWith('kind: GRPCRoute'));
    const { document, losses, proof } = importRoutes(routes?.text ?? '');
    expect(losses).toEqual([]);
    expect(proof.agreed).toBe(proof.calls);
    expect(policies.map(({ text }) => parse(text))).toContainEqual(document);
  });
});
