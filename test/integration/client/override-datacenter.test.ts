import { beforeEach, describe, expect, it } from 'vitest';
import { createGraylane, type ForceSelector, type Graylane, type PolicyDocument } from '../../../src/index';
import { closeAfterEach } from '../../support/closers';
import { CHARGE, charge, paymentsClient } from '../../support/payments';
import { policy, startTwoDatacenters, type TwoDatacenters } from './two-datacenters';

const closing = closeAfterEach();
const until = new Date(Date.now() + 3_600_000).toISOString();
let world: TwoDatacenters;
let warnings: string[];

beforeEach(async () => {
  world = closing(await startTwoDatacenters(), (one) => one.kill());
  warnings = [];
});

function open(change: Partial<PolicyDocument>, datacenters: readonly string[] = ['dc1', 'dc2']): Graylane {
  const logger = {
    debug() {},
    info() {},
    warn: (_: string, fields?: object) => void warnings.push(JSON.stringify(fields)),
    error() {},
  };
  const instances = world.instances.filter(({ datacenter }) => datacenters.includes(datacenter ?? ''));
  const document = { ...policy, ...change };
  return closing(
    createGraylane({ datacenters, instances: { payments: instances }, policies: { payments: document }, logger }),
    (opened) => opened.close(),
  );
}

async function whoServes(graylane: Graylane, force?: ForceSelector): Promise<string> {
  const client = paymentsClient(graylane.target('payments'), graylane.clientOptions());
  const call = () => charge(client);
  const calls = Array.from({ length: 20 }, () => (force === undefined ? call() : graylane.with({ force }, call)));
  return [...new Set((await Promise.all(calls)).map(({ servedBy }) => servedBy))].sort().join(' ');
}

function explained(graylane: Graylane): string {
  return graylane
    .explain('payments', { method: CHARGE })
    .tiers.map(({ subset, datacenter }) => `${subset} ${datacenter}`)
    .join(', ');
}

const LOCALITIES = [
  ['no failover', { failover: [] }],
  ['another failover', { failover: ['dc3'] }],
  ['a failover to it', { failover: ['dc2'] }],
  ['no locality', undefined],
] as const;

describe("an override's datacenter", () => {
  it.each(LOCALITIES)('serves every call under %s', async (_, locality) => {
    const graylane = open({
      ...(locality === undefined ? {} : { locality }),
      override: { datacenter: 'dc2', until },
    });
    expect(await whoServes(graylane)).toBe('stable-dc2');
    expect(explained(graylane)).toBe('stable dc2');
    expect(graylane.inspect().services[0]?.policy.shortfalls).toEqual([]);
  });

  it.each([
    ['is misspelt', ['dc1', 'dc2'], { datacenter: 'dc22' }, 'stable-dc1'],
    ['is none of the client', ['dc1'], { datacenter: 'dc2' }, 'stable-dc1'],
    ['is none of the client, beside a subset', ['dc1'], { to: 'canary', datacenter: 'dc2' }, 'canary-dc1'],
  ] as const)('that %s takes no call down, and is told', async (_, datacenters, override, served) => {
    const graylane = open({ locality: { failover: [] }, override: { ...override, until } }, datacenters);
    expect(await whoServes(graylane)).toBe(served);
    const told = `override.datacenter: ${override.datacenter} has no usable instance`;
    expect(graylane.inspect().services[0]?.policy.shortfalls[0]?.message).toContain(told);
    expect(warnings.filter((each) => each.includes(told))).toHaveLength(1);
    expect(explained(graylane).split(', ')[0]).toBe(served.replace('-', ' '));
  });

  it('that has nobody of the subset left gives way, and holds again when somebody is there', async () => {
    const graylane = open({ override: { datacenter: 'dc2', until } });
    expect(await whoServes(graylane)).toBe('stable-dc2');
    const { instances } = world;
    graylane.setInstances(
      'payments',
      instances.filter(({ id }) => id !== 'stable-dc2'),
    );
    await expect.poll(() => whoServes(graylane)).toBe('stable-dc1');
    graylane.setInstances('payments', instances);
    await expect.poll(() => whoServes(graylane)).toBe('stable-dc2');
  });
});

describe("a force's datacenter", () => {
  it.each(LOCALITIES)('serves the call under %s', async (_, locality) => {
    const graylane = open(locality === undefined ? {} : { locality });
    expect(await whoServes(graylane, { datacenter: 'dc2' })).toBe('stable-dc2');
    expect(await whoServes(graylane, { datacenter: 'dc2', strict: false })).toBe('stable-dc2');
    expect(await whoServes(graylane, { subset: 'canary', datacenter: 'dc2' })).toBe('canary-dc2');
    expect(await whoServes(graylane, { instance: 'canary-dc2' })).toBe('canary-dc2');
    expect(await whoServes(graylane)).toBe('stable-dc1');
  });

  it('that the client does not know fails the call, names itself and those that there are', async () => {
    const graylane = open({ locality: { failover: [] } });
    await expect(whoServes(graylane, { datacenter: 'dc22' })).rejects.toThrow(
      /forced by the caller to datacenter dc22; .* \(this client looks in dc1, dc2; did you mean dc2\?\)/,
    );
    expect(await whoServes(graylane, { datacenter: 'dc22', strict: false })).toBe('stable-dc1');
  });
});
