import { expect, it } from 'vitest';
import { silentLogger } from '../../../src/base/logger';
import { countOpenRequests } from '../../../src/consul/agent-pool';

it('warns once near the limit of an agent, and again only when the number had been down to half', () => {
  const warnings: unknown[] = [];
  const requests = countOpenRequests('agent:8500', { ...silentLogger, warn: (_, fields) => warnings.push(fields) });
  const change = (by: number): void => {
    for (let step = 0; step < Math.abs(by); step += 1) by > 0 ? requests.began() : requests.ended();
  };
  change(159);
  expect(warnings).toEqual([]);
  change(1);
  change(10);
  change(-20);
  change(20);
  expect(warnings).toMatchObject([{ address: 'agent:8500', openRequests: 160, limit: 200 }]);
  change(-100);
  change(100);
  expect(warnings).toHaveLength(2);
  expect([requests.open, requests.most]).toEqual([170, 170]);
});
