import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { LEAST_NODE, VARIABLES } from '../../../src/cli/doctor/machine-checks';
import { readPage, root } from '../docs/fences';
import { here, make } from './mistakes';

/** A row of docs/doctor.md: the page is the table. */
interface Row {
  readonly mistake: string;
  readonly says: string;
  readonly next: string;
  readonly code: number;
}

const rows: readonly Row[] = [
  ...readPage('docs/doctor.md').matchAll(/^\| (.+) \| `(.+)` \| `(.+)` \| ([01]) \|$/gm),
].map(([, mistake = '', says = '', next = '', code]) => ({ mistake, says, next, code: Number(code) }));

/** `...` is anything within a line. */
function patternOf(text: string): RegExp {
  const parts = text.split('...').map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${parts.join('.*')}$`);
}

describe('what the doctor holds the machine against', () => {
  it('is what package.json asks of Node', () => {
    const { engines } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { engines: { node: string } };
    expect(`>=${LEAST_NODE.join('.')}`).toBe(engines.node);
  });

  it('is every variable that the sources read, and no other', () => {
    const read = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts') && !file.endsWith('machine-checks.ts'))
      .flatMap((file) => readFileSync(join(root, 'src', file), 'utf8').match(/'(?:CONSUL|GRAYLANE)_[A-Z_]+'/g) ?? [])
      .map((name) => name.slice(1, -1));
    expect([...new Set(read)].sort()).toEqual(VARIABLES);
  });
});

describe('a mistake of the first month', () => {
  it('is made for each row of docs/doctor.md, at least thirty', () => {
    expect(rows.map(({ mistake }) => mistake).sort()).toEqual(Object.keys(make).sort());
    expect(rows.length).toBeGreaterThan(30);
  });

  it('is not seen where nothing is wrong', async () => {
    const { code, stdout } = await here(['doctor', 'payments']);
    expect([code, stdout.replace(/^(ok {7}.*\n)+$/, '')]).toEqual([0, '']);
  });

  it.each(rows)('$mistake', async ({ mistake, says, next, code }) => {
    const { args, env } = (await make[mistake]?.()) ?? expect.fail('no such mistake');
    const ended = await here(['doctor', ...args], env);
    const lines = ended.stdout.trimEnd().split('\n');
    const at = lines.findIndex((line) => patternOf(says).test(line));
    expect(at, `${says}\nin\n${ended.stdout}${ended.stderr}`).toBeGreaterThanOrEqual(0);
    expect(lines[at + 1]).toMatch(patternOf(`         -> ${next}`));
    expect(ended.code, ended.stdout).toBe(code);
    expect(ended.stdout + ended.stderr).not.toContain('secret-text');
  });
});
