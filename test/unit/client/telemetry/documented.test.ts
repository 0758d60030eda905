import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import * as names from '../../../../src/client/telemetry/attributes';
import { hubOf } from '../../../../src/client/telemetry/meter-hub';
import { startMetering } from '../../../support/metering';

const page = readFileSync(join(__dirname, '..', '..', '..', '..', 'docs', 'observability.md'), 'utf8');

it('docs/observability.md names every metric', () => {
  const created: string[] = [];
  const meter = startMetering().provider.getMeter('graylane');
  const noting = new Proxy(meter, {
    get: (target, key: keyof typeof meter) => {
      const method = target[key].bind(target) as (...args: unknown[]) => unknown;
      if (!key.startsWith('create')) return method;
      return (name: string, options: unknown) => {
        created.push(name);
        return method(name, options);
      };
    },
  });
  hubOf(noting);
  expect(created.length).toBeGreaterThan(20);
  expect(created.filter((name) => !page.includes(`\`${name}\``))).toEqual([]);
});

it('docs/observability.md names every attribute of ours', () => {
  const ours = Object.values(names).filter((name) => typeof name === 'string' && name.startsWith('graylane.'));
  expect(ours.filter((name) => !page.includes(`\`${name}\``))).toEqual([]);
});
