import { join } from 'node:path';
import { expect, it } from 'vitest';
import { freePorts } from '../support/consul/ports';
import { printFact } from '../support/figure';
import { runScript } from '../support/run-script';

const script = join(__dirname, 'fixtures', 'expired-unreachable.ts');
const cases: Record<string, () => Promise<Record<string, string>>> = {
  refuse: async () => ({ REFUSED: (await freePorts('127.0.0.1', 2)).join(',') }),
  hang: async () => ({}),
};

for (const [what, environment] of Object.entries(cases)) {
  it(`10,000 calls that expire while all endpoints ${what} leave no memory behind`, { timeout: 40_000 }, async () => {
    const ended = await runScript(script, await environment(), ['--expose-gc']);
    expect(ended).toMatchObject({ code: 0, stderr: '' });
    const { expired, before, after } = JSON.parse(ended.stdout) as { expired: number; before: number; after: number };
    const megabytes = (bytes: number): string => (bytes / 2 ** 20).toFixed(1);
    printFact(
      `10,000 calls expire, all endpoints ${what}`,
      `heap ${megabytes(before)} MB before, ${megabytes(after)} MB after (${((after / before - 1) * 100).toFixed(1)} %)`,
    );
    expect(expired).toBe(10_000);
    expect(after).toBeLessThanOrEqual(before * 1.08);
  });
}
