import { join } from 'node:path';
import { createContext, runInContext } from 'node:vm';
import { rolldown } from 'rolldown';
import { beforeAll, describe, expect, it } from 'vitest';

const policy = join(__dirname, '../../../src/policy');
const ENTRY = `
  export { compilePolicy } from ${JSON.stringify(join(policy, 'compile.ts'))};
  export { decide } from ${JSON.stringify(join(policy, 'routing/decide.ts'))};
`;

/** What runs in the page: `policy` as text, so that everything that happens to it happens there. */
const PROGRAM = `
  const plan = graylane.compilePolicy({ content: text, format }, { service: 'payments', origin: 'kv' });
  const env = { random: () => 0.999, clock: { now: () => 0, wallNow: () => 0 } };
  const goesTo = (labels) => {
    const input = { method: '/shop.Payments/Charge', labels: { get: (key) => labels[key] }, force: undefined };
    return graylane.decide(plan, input, { sticky: false, bucket: -1, hash: -1 }, env).destination.subset;
  };
  JSON.stringify([plan.revision, goesTo({ 'x-gray': 'canary' }), goesTo({ 'x-ip': '10.1.2.3' }), goesTo({})]);
`;

describe('the policy room in a browser', () => {
  let bundle: string;

  beforeAll(async () => {
    const build = await rolldown({
      input: 'page',
      platform: 'browser',
      onLog(_level, { message }) {
        throw new Error(message);
      },
      plugins: [
        {
          name: 'page',
          resolveId: (id) => (id === 'page' ? id : undefined),
          load: (id) => (id === 'page' ? ENTRY : undefined),
        },
      ],
    });
    const { output } = await build.generate({ format: 'iife', name: 'graylane', codeSplitting: false });
    bundle = output[0].code;
  });

  it('compiles a policy and decides calls, without anything of Node', () => {
    const text = JSON.stringify({
      schema: 1,
      service: 'payments',
      subsets: { stable: { tags: ['stable'] }, canary: { tags: ['canary'], fallback: 'stable' } },
      default: 'stable',
      routes: [
        { name: 'testers', match: { labels: { 'x-gray': 'canary' } }, to: 'canary' },
        { name: 'office', match: { labels: { 'x-ip': { cidr: '10.0.0.0/8' } } }, to: 'canary' },
        {
          name: 'rest',
          split: [
            { to: 'stable', weight: 95 },
            { to: 'canary', weight: 5 },
          ],
        },
      ],
    });
    // Of what a page has beyond the language, only this.
    const page = createContext({ TextEncoder, text, format: 'json' });
    runInContext(bundle, page);
    const found = JSON.parse(runInContext(PROGRAM, page)) as readonly string[];
    expect(found[0]).toMatch(/^[0-9a-f]{12}$/);
    expect(found.slice(1)).toEqual(['canary', 'canary', 'stable']);
    expect(runInContext('[typeof process, typeof Buffer, typeof require].join()', page)).toBe(
      'undefined,undefined,undefined',
    );
  });
});
