import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runInProcess } from './in-process-command';

const POLICY = 'schema: 1\nservice: payments\nsubsets: { stable: { tags: [stable] } }\ndefault: stable\n';

describe('a command where no agent listens', () => {
  let folder: string;
  let file: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'no-consul-'));
    file = join(folder, 'payments.yaml');
    await writeFile(file, POLICY);
  });
  afterAll(() => rm(folder, { recursive: true }));

  it.each([
    [['init', 'payments']],
    [['instances', 'payments']],
    [['weight', 'payments', 'canary', '5', '-m', 'begin']],
    [['policy', 'apply', 'FILE', '-m', 'first']],
    [['policy', 'diff', 'FILE']],
    [['policy', 'get', 'payments']],
    [['policy', 'log', 'payments']],
    [['policy', 'rollback', 'payments', '-m', 'back']],
    [['override', 'list']],
    [['waves', 'status', 'w']],
    [['instances', 'payments', '--dc', 'all']],
    [['policy', 'lint-chain', 'payments']],
    [['rollout', 'status', 'payments']],
  ])('%j names the address and the next step, and suspects no token', async (args) => {
    const { code, stderr } = await runInProcess(
      args.map((one) => (one === 'FILE' ? file : one)),
      { columns: undefined, env: { CONSUL_HTTP_ADDR: 'http://127.0.0.1:1' } },
    );
    expect(code).toBe(2);
    expect(stderr).toContain('ECONNREFUSED http://127.0.0.1:1');
    // What waits for a client names the command that looks for the cause.
    expect(stderr).toMatch(
      /; (check --consul or CONSUL_HTTP_ADDR, and that an agent listens there|run graylane doctor payments)\n$/,
    );
    expect(stderr).not.toMatch(/token/);
  });
});
