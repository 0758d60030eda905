import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { SimulationReport } from '../../../src/simulate';
import { printFact } from '../../support/figure';
import { builtGraylane, graylane, graylaneJson } from './built-command';
import { policyOf } from './two-datacenters';

const reportCpu = join(__dirname, '..', '..', 'support', 'report-cpu.cjs');
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'graylane-simulate-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function file(name: string, content: unknown): string {
  const path = join(folder, name);
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
}

describe('graylane simulate', () => {
  it('shows shares with bars, without colour or progress in a pipe', async () => {
    const { code, stdout, stderr } = await graylane(['simulate', file('a.json', policyOf('payments', 5))]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/^payments {2}100,000 calls \(made up/);
    expect(stdout).toMatch(/^ {2}stable {2}█{40,}·* +9[45]\.\d\d %$/m);
    expect(stdout).toMatch(/^ {2}canary {2}█+·+ +[45]\.\d\d %$/m);
    expect(stdout).toMatch(/^everyone +100,000 +100\.00 % +stable +9[45]\.\d\d % +95 %$/m);
    // The sum over all routes is nobody's traffic: what a route does comes first.
    expect(stdout).toMatch(/^everyone .*\n(?:.*\n)*made-up calls of all routes together/m);
    expect(stdout).not.toContain('\u001b');
    expect(stdout).not.toContain('\r');
  });

  it('tells who moves to a second policy, and ends with 1 when sticky callers are lost', async () => {
    const now = file('now.json', policyOf('payments', 5));
    const next = file('next.json', policyOf('payments', 25));
    const healthy = await graylane(['simulate', now, '--against', next]);
    expect(healthy.code).toBe(0);
    expect(healthy.stdout).toMatch(/^stable +by everyone +canary +by everyone +\d/m);
    expect(healthy.stdout).toMatch(/^0 sticky callers lost$/m);

    const routes = (policyOf('payments', 25)['routes'] as readonly object[]).map((route) => ({
      ...route,
      name: 'all',
    }));
    const renamed = file('renamed.json', policyOf('payments', 25, { routes }));
    const lossy = await graylane(['simulate', next, '--against', renamed]);
    expect(lossy.code).toBe(1);
    expect(lossy.stdout).toMatch(/^[\d,]{4,} sticky callers lost: .*stickySalt/m);
  });

  it('replays recorded calls of the service, and names the line that it cannot read', async () => {
    const policy = file('a.json', policyOf('payments', 50));
    const line = (service: string, user: string): string =>
      JSON.stringify({
        at: '2026-01-01T00:00:00Z',
        service,
        method: '/a.B/C',
        labels: { 'x-user-id': user },
        subset: 'x',
      });
    const calls = file(
      'calls.ndjson',
      `${line('payments', 'u-1')}\n\n${line('orders', 'u-1')}\n${line('payments', 'u-2')}\n`,
    );
    const { json } = await graylaneJson<SimulationReport & { source: object }>(['simulate', policy, '--from', calls]);
    expect(json).toMatchObject({ calls: 2, stickyCallers: 2, source: { from: calls, skipped: 1 } });

    const piped = await graylaneJson<SimulationReport>(['simulate', policy, '--from', '-'], {
      input: line('payments', 'u-1'),
    });
    expect(piped.json.calls).toBe(1);

    const bad = file('bad.ndjson', `${line('payments', 'u-1')}\n{"labels":{}}\n`);
    expect(await graylane(['simulate', policy, '--from', bad])).toEqual({
      code: 2,
      stdout: '',
      stderr: `graylane: ${bad}:2 method: missing (expected: /package.Service/Method); correct or leave out this line\n`,
    });
    const other = await graylane(['simulate', policy, '--from', file('other.ndjson', line('orders', 'u'))]);
    expect(other).toMatchObject({ code: 2, stderr: expect.stringContaining('no call of payments') });
  });

  it('shows every problem of a policy and ends with 1', async () => {
    const bad = file('bad.yaml', 'schema: 1\nservice: payments\nroutes:\n  - name: a\n    to: nobody\ntimeout: 3\n');
    const { code, stdout, stderr } = await graylane(['simulate', bad]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(/error .*bad\.yaml:5:5 routes\[0\]\.to: "nobody"/);
    expect(stderr).toMatch(
      /graylane: .*bad\.yaml: 2 problems; correct it and run graylane policy validate .*bad\.yaml$/m,
    );
  });

  it.each([
    [['--calls', '0'], 'expected: a whole number > 0'],
    [['--from', 'x', '--calls', '5'], '--from: given with --calls'],
    [['--from', 'nowhere.ndjson'], 'nowhere.ndjson: ENOENT'],
  ])('used wrongly, ends with 2: %j', async (args, message) => {
    const { code, stderr } = await graylane(['simulate', file('a.json', policyOf('payments')), ...args]);
    expect(code).toBe(2);
    expect(stderr).toContain(message);
    expect(stderr.trimEnd()).not.toContain('\n');
  });

  it('takes 1,000,000 calls in 5 s of processor time, the start of the process included', async () => {
    const args = ['simulate', file('a.json', policyOf('payments', 5))];
    const report = join(folder, 'cpu');
    const env = { NODE_OPTIONS: `--require ${reportCpu}`, REPORT_CPU_TO: report };
    const { stdout } = await builtGraylane([...args, '--calls', '1000000', '--json'], { env });
    const took = Number(readFileSync(report, 'utf8'));
    printFact('graylane simulate --calls 1000000', `${(took / 1000).toFixed(2)} s (bar: 5 s)`);
    expect((JSON.parse(stdout) as SimulationReport).calls).toBe(1_000_000);
    expect(took).toBeLessThan(5_000);
  });
});

describe('graylane policy test', () => {
  const policy = (): string => file('p.json', policyOf('payments', 5));

  it('says of each case whether it holds, and why not', async () => {
    const cases = file(
      'good.yaml',
      'cases:\n  - { name: split, shares: { stable: 95, canary: 5 } }\n  - { route: everyone }\n',
    );
    expect(await graylane(['policy', 'test', policy(), cases])).toEqual({
      code: 0,
      stdout: 'ok     split -> stable\nok     a call without labels -> stable\n2 of 2 cases hold\n',
      stderr: '',
    });
    const failing = file('failing.json', [{ labels: { 'x-user-id': 'u-1' }, subset: 'canary' }, { subset: 'stable' }]);
    const { code, stdout } = await graylane(['policy', 'test', policy(), failing]);
    expect(code).toBe(1);
    expect(stdout).toMatch(/^failed x-user-id=u-1: subset: stable \(expected: canary\); decided by route everyone$/m);
    expect(stdout).toMatch(/^failed a call without labels: subset: by chance, stable 95 %/m);
    expect(stdout).toMatch(/^0 of 2 cases hold$/m);
    const { json } = await graylaneJson<object>(['policy', 'test', policy(), failing]);
    expect(json).toMatchObject({ cases: 2, failed: 2, results: [{ subset: 'stable', route: 'everyone' }, {}] });
  });

  it('decides as a caller does that states its name, with the lists of the table', async () => {
    const routes = [
      { name: 'own', match: { from: ['checkout'] }, to: 'canary' },
      { name: 'beta', match: { labels: { 'x-user-id': { list: 'beta-users' } } }, to: 'canary' },
    ];
    const listed = file('l.json', policyOf('payments', 5, { routes }));
    const table = (extra: string): string =>
      file(
        'l.yaml',
        `lists: { beta-users: [u-1] }\ncases:\n  - { from: checkout, route: own }\n  - { labels: { x-user-id: u-1 }, route: beta }\n${extra}`,
      );
    expect(await graylane(['policy', 'test', listed, table('  - { from: carts, route: default }\n')])).toMatchObject({
      code: 0,
      stdout:
        'ok     from checkout -> canary\nok     x-user-id=u-1 -> canary\nok     from carts -> stable\n3 of 3 cases hold\n',
    });
    const refused = await graylane(['policy', 'test', listed, table('  - { lists: { beta: [u-2] }, route: own }\n')]);
    expect(refused.code).toBe(2);
    expect(refused.stderr).toContain('cases[2].lists.beta: this list (expected: one of beta-users)');
  });

  it('holds an override against --at', async () => {
    const override = { to: 'canary', until: '2030-01-01T00:00:00Z', by: 'ops', reason: 'drill' };
    const overridden = file('o.json', policyOf('payments', 5, { override }));
    const cases = file('o.yaml', '- { subset: canary, route: override }\n');
    expect((await graylane(['policy', 'test', overridden, cases, '--at', '2029-12-31T00:00:00Z'])).code).toBe(0);
    expect((await graylane(['policy', 'test', overridden, cases, '--at', '2030-01-01T00:00:01Z'])).code).toBe(1);
    expect((await graylane(['policy', 'test', overridden, cases, '--at', 'soon'])).code).toBe(2);
  });

  it.each([
    ['- { subset: canray }\n', 'cases[0].subset: "canray" (expected: one of stable, canary)'],
    ['cases: 3\n', 'cases: 3 (expected: a list)'],
    [': :\n', 'expected'],
  ])('refuses the table %j', async (text, problem) => {
    const { code, stdout, stderr } = await graylane(['policy', 'test', policy(), file('bad-cases.yaml', text)]);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain(problem);
  });
});
