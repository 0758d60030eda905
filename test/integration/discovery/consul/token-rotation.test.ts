import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { silentLogger } from '../../../../src/base/logger';
import { createGraylane } from '../../../../src/index';
import { closeAfterEach, pause } from '../../../support/closers';
import { startConsul } from '../../../support/consul/start';
import { printFact } from '../../../support/figure';

const opened = closeAfterEach();
const RULES = `
  service "payments" { policy = "read" }
  node_prefix "" { policy = "read" }
  key "graylane/policies/payments" { policy = "read" }
`;

it('a token that is rotated in its file and then revoked costs nothing: changes still come, and nothing is lost', async () => {
  const folder = opened(await mkdtemp(join(tmpdir(), 'graylane-rotation-')), (path) => rm(path, { recursive: true }));
  const consul = opened(await startConsul({ acl: true }), (cluster) => cluster.stop()).dc('dc1');
  await consul.register({ name: 'payments', id: 'p1', address: '127.0.0.1', port: 9 });
  await consul.putKv('graylane/policies/payments', '{"schema":1,"service":"payments"}');
  const first = await consul.createToken(RULES);
  const tokenFile = join(folder, 'token');
  await writeFile(tokenFile, first.secret);
  const lines: string[] = [];
  const warn = (message: string, fields?: object): void => void lines.push(`${message} ${JSON.stringify(fields)}`);
  const graylane = opened(
    createGraylane({ consul: { address: consul.address, tokenFile }, logger: { ...silentLogger, warn, error: warn } }),
    (each) => each.close(),
  );
  graylane.ready('payments', { timeoutMs: 1 }).catch(() => {});
  const counts: number[] = [];
  const instances = (): number => {
    const count = graylane.inspect().services[0]?.datacenters[0]?.instances ?? 0;
    counts.push(count);
    return count;
  };
  await expect.poll(instances).toBe(1);

  const second = await consul.createToken(RULES);
  await writeFile(`${tokenFile}.new`, second.secret);
  await rename(`${tokenFile}.new`, tokenFile);
  await consul.deleteToken(first.accessor);
  const since = counts.length;
  await pause(200);
  const changedAtMs = performance.now();
  await consul.register({ name: 'payments', id: 'p2', address: '127.0.0.1', port: 10 });
  await expect.poll(instances, { timeout: 10_000, interval: 10 }).toBe(2);
  const tookMs = performance.now() - changedAtMs;
  // None was lost meanwhile; the change may be there at the first look.
  expect(Math.min(...counts.slice(since))).toBeGreaterThanOrEqual(1);
  // The query that was under way asked with the old one; it is asked again with the new one.
  expect(lines.length).toBeLessThanOrEqual(2);
  // Newer servers put the same behind words of their own.
  for (const line of lines) expect(line).toMatch(/HTTP 403: .*ACL not found/);
  printFact('first change after a token was rotated in its file and revoked', `seen after ${tookMs.toFixed(0)} ms`);
});
