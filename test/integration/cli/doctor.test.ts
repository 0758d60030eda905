import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { closeAfterEach } from '../../support/closers';
import { graylane } from './built-command';
import { commandWorld, policyOf } from './two-datacenters';

// What it finds, mistake by mistake: doctor-mistakes.test.ts.

interface Report {
  readonly findings: readonly {
    readonly check: string;
    readonly state: string;
    readonly finding: string;
    readonly next?: string;
  }[];
}

const world = commandWorld({ datacenters: ['dc1'], acl: true });
const closing = closeAfterEach();

const finding = ({ findings }: Report, check: string): string => {
  const found = findings.find((one) => one.check === check);
  return `${found?.state}: ${found?.finding}; ${found?.next ?? ''}`;
};

/** A folder with copies of grpc-js, by the path of the node_modules that each is in. */
function tree(copies: Readonly<Record<string, string>>): string {
  const folder = closing(mkdtempSync(join(tmpdir(), 'graylane-tree-')), (path) => rmSync(path, { recursive: true }));
  for (const [modules, version] of Object.entries(copies)) {
    const home = join(folder, modules, '@grpc', 'grpc-js');
    mkdirSync(home, { recursive: true });
    writeFileSync(join(home, 'package.json'), JSON.stringify({ version }));
  }
  return folder;
}

async function doctor(
  rules: string | undefined,
  ...services: readonly string[]
): Promise<Report & { code: number | null }> {
  const dc1 = world.consul.dc('dc1');
  const env = rules === undefined ? {} : { CONSUL_HTTP_TOKEN: (await dc1.createToken(rules)).secret };
  const { json, code } = await world.runJson<Report>(
    ['doctor', ...services, '--no-dial', '--tree', tree({ node_modules: '1.14.3' })],
    { env },
  );
  return { ...json, code };
}

const KEYS = 'key_prefix "graylane/policies/" { policy = "read" }';
const NODES = 'node_prefix "" { policy = "read" }';
const SERVICES = 'service_prefix "" { policy = "read" }';

describe('graylane doctor', () => {
  it('finds nothing wrong where nothing is, and needs only the rights of a reader', async () => {
    const dc1 = world.consul.dc('dc1');
    await dc1.register({ name: 'well', id: 'i1', port: 9001, tags: ['stable'] });
    await dc1.register({ name: 'well', id: 'i2', port: 9002, tags: ['canary'] });
    await dc1.putKv('graylane/policies/well', JSON.stringify(policyOf('well')));
    const report = await doctor(`${KEYS} ${NODES} ${SERVICES}`, 'well');
    expect(report.findings.map(({ check, state }) => `${check}: ${state}`)).toEqual([
      'consul: ok',
      'clock: ok',
      'policy of well: ok',
      'instances of well: ok',
      'grpc-js: ok',
    ]);
    expect(report.code).toBe(0);
    // Without names: those that have a policy.
    expect(finding(await doctor(undefined), 'instances of well')).toBe('ok: 2 of 2 usable; ');
  });

  it('tells none registered from not allowed', async () => {
    expect(finding(await doctor(`${KEYS} ${NODES} ${SERVICES}`, 'nobody'), 'instances of nobody')).toMatch(
      /^warning: none is registered; check the name/,
    );
  });

  it('says that a token does not exist, and never shows it', async () => {
    const secret = '11111111-2222-3333-4444-555555555555';
    const { code, stdout, stderr } = await world.run(['doctor', 'well'], { env: { CONSUL_HTTP_TOKEN: secret } });
    expect(code).toBe(1);
    expect(stdout).toMatch(/ACL not found/);
    expect(stdout + stderr).not.toContain(secret);
  });

  it('says what cannot be reached, and looks at the rest', async () => {
    const { code, stdout } = await graylane(['doctor', 'a', '--consul', '127.0.0.1:1', '--tree', tree({})]);
    expect(code).toBe(1);
    expect(stdout).toMatch(/^problem {2}consul: http:\/\/127\.0\.0\.1:1: .*ECONNREFUSED.*\n {9}-> check --consul/m);
    expect(stdout).toMatch(/^info {5}grpc-js: no copy below/m);
  });

  it('names the agent that is ill where another one is well, and looks at the rest', async () => {
    const addresses = `127.0.0.1:1,${world.consul.dc('dc1').address}`;
    const env = { CONSUL_HTTP_TOKEN: (await world.consul.dc('dc1').createToken(NODES + SERVICES + KEYS)).secret };
    const { stdout } = await graylane(['doctor', 'none', '--consul', addresses, '--tree', tree({})], { env });
    expect(stdout).toMatch(/^warning {2}consul agent: http:\/\/127\.0\.0\.1:1: .*ECONNREFUSED/m);
    expect(stdout).toMatch(/^ok {7}consul: http:\S+ answers/m);
    expect(stdout).toMatch(/^\S+ +instances of none: /m);
  });

  it.each([
    [
      { 'node_modules/.pnpm/a@1/node_modules': '1.14.1', 'node_modules/.pnpm/b@1/node_modules': '1.14.2' },
      /^problem: 2 copies/,
    ],
    [{ 'node_modules/@scope/a/node_modules': '1.14.1' }, /^ok: one copy, 1\.14\.1/],
  ])('finds copies of grpc-js: %j', async (copies, expected) => {
    const { stdout } = await graylane(['doctor', 'a', '--consul', '127.0.0.1:1', '--json', '--tree', tree(copies)]);
    expect(finding(JSON.parse(stdout) as Report, 'grpc-js')).toMatch(expected);
  });
});
