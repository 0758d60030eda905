import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { type CommandRun, runInProcess } from './in-process-command';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'graylane-import-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const run = (...args: readonly string[]): Promise<CommandRun> =>
  runInProcess(['rollout', ...args], { columns: undefined });

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

const CANARY = `kind: Canary
metadata: { name: payments, namespace: shop }
spec:
  targetRef: { kind: Deployment, name: payments }
  analysis:
    interval: 1m
    stepWeights: [5, 50]
    metrics: [{ name: request-success-rate, thresholdRange: { min: 99 } }]
`;

describe('graylane rollout import', () => {
  it('writes a rollout that can be started, says what else it needs, and ends with 0', async () => {
    const out = join(folder, 'rollout.yaml');
    const { code, stdout, stderr } = await run('import', file('whole.yaml', CANARY), '-o', out, '--canary', 'v2');
    expect([code, stdout, stderr]).toEqual([
      0,
      '',
      'the policy of payments needs subsets v2 and stable\n' +
        `${out} written; try it: graylane rollout start payments --file ${out} --dry-run\n`,
    ]);
    expect(parse(readFileSync(out, 'utf8'))).toEqual({
      ...{ schema: 1, service: 'payments', canary: 'v2', stable: 'stable' },
      steps: [{ setWeight: 5 }, { analysis: {} }, { setWeight: 50 }, { analysis: {} }],
      onSuccess: 'promote',
      analysis: { intervalMs: 60_000, count: 1, checks: [{ check: 'request-success-rate', minimum: 99 }] },
    });
    const tried = await run('start', 'payments', '--file', out, '--dry-run');
    expect([tried.code, tried.stdout]).toEqual([0, expect.stringMatching(/^ {2}1 {2}v2 to 5 %\n/)]);
  });

  it('ends with 3 where something is left out, and tells it with its place; with --strict it writes nothing and ends with 1', async () => {
    const path = file('more.yaml', `${CANARY}    mirror: true\n`);
    const { code, stdout, stderr } = await run('import', path);
    expect(code).toBe(3);
    expect(stdout).toMatch(/^schema: 1\nservice: payments\n/);
    expect(stderr).toContain(`not in the document ${path}:9:5 Canary/payments.spec.analysis.mirror: copies are made `);
    const strict = await run('import', path, '--strict');
    expect([strict.code, strict.stdout]).toEqual([1, '']);
  });

  it('ends with 1 when nothing is left, and with 2 when there is nothing to import or none is chosen', async () => {
    const odd = file('odd.yaml', 'kind: Rollout\nmetadata: { name: a/b }\nspec: { strategy: { canary: {} } }\n');
    const none = await run('import', odd);
    expect([none.code, none.stderr]).toEqual([
      1,
      expect.stringMatching(/not in the document service: "a\/b" .*\n[\s\S]*a\/b: nothing that a rollout could say/),
    ]);
    const empty = await run('import', file('empty.yaml', 'kind: Service\nmetadata: { name: x }\n'));
    expect([empty.code, empty.stderr]).toEqual([2, expect.stringContaining('no Canary and no Rollout')]);
    const two = file('two.yaml', `${CANARY}---\n${CANARY.replace('name: payments,', 'name: orders,')}`);
    expect((await run('import', two)).code).toBe(2);
    expect((await run('import', two, '--name', 'shop/orders')).code).toBe(0);
  });
});
