import { describe, expect, it } from 'vitest';
import { silentLogger } from '../../../src/base/logger';
import { createGraylane, type PolicyDocument } from '../../../src/index';
import { closeAfterEach } from '../../support/closers';
import { charge, paymentsClient, startPaymentsServer } from '../../support/payments';

const closing = closeAfterEach();
const LATER = '2100-01-01T00:00:00Z';
const QUIET = { breaker: { enabled: false }, subsetBreaker: { enabled: false } };
/** Server, and where its instance is registered. */
const INSTANCES = {
  stable: { service: 'payments', datacenter: 'dc1', meta: {}, tags: ['stable'] },
  far: { service: 'payments', datacenter: 'dc2', meta: {}, tags: ['stable'] },
  lane: { service: 'payments', datacenter: 'dc1', meta: { lane: 'pr-42' }, tags: ['stable'] },
  v2: { service: 'payments-v2', datacenter: 'dc1', meta: {}, tags: ['stable'] },
  'v2-canary': { service: 'payments-v2', datacenter: 'dc1', meta: {}, tags: ['canary'] },
} as const;
type Server = keyof typeof INSTANCES;
/** Labels of a call that goes to each server. */
const CALLS: Readonly<Record<Server, Readonly<Record<string, string>>>> = {
  stable: {},
  far: { 'x-to': 'far' },
  lane: { 'x-lane': 'pr-42' },
  v2: { 'x-to': 'v2' },
  'v2-canary': { 'x-to': 'v2-canary' },
};
const TARGETS: Readonly<Record<string, object>> = {
  far: { subset: 'stable', datacenter: 'dc2' },
  v2: { service: 'payments-v2' },
  'v2-canary': { service: 'payments-v2', subset: 'canary' },
};

/** Whom calls reach when a fault hits attempts `in` somewhere. */
async function reached(target: unknown): Promise<readonly string[]> {
  const instances: Record<'payments' | 'payments-v2', object[]> = { payments: [], 'payments-v2': [] };
  for (const [name, { service, ...where }] of Object.entries(INSTANCES)) {
    const { port } = closing(await startPaymentsServer({ name }), (one) => one.kill());
    instances[service].push({ address: '127.0.0.1', port, id: name, ...where });
  }
  const payments = {
    schema: 1,
    service: 'payments',
    subsets: { stable: { tags: ['stable'] } },
    lanes: { by: 'x-lane' },
    routes: Object.entries(TARGETS).map(([name, to]) => ({ name, match: { labels: { 'x-to': name } }, to })),
    faults: [{ name: 'drill', in: target, abort: 'ABORTED', percent: 100, until: LATER }],
    ...QUIET,
  } as PolicyDocument;
  const other = {
    schema: 1,
    service: 'payments-v2',
    subsets: { stable: { tags: ['stable'] }, canary: { tags: ['canary'] } },
    default: 'stable',
    ...QUIET,
  } as const;
  const graylane = closing(
    createGraylane({
      instances: instances as never,
      datacenters: ['dc1', 'dc2'],
      policies: { payments, 'payments-v2': other },
      logger: silentLogger,
    }),
    (one) => one.close(),
  );
  const client = closing(paymentsClient(graylane.target('payments'), graylane.clientOptions()), (one) => one.close());
  await graylane.ready('payments');
  const served: string[] = [];
  for (const [name, labels] of Object.entries(CALLS)) {
    const found = await charge(client, labels).then(
      ({ servedBy }) => servedBy,
      (error: Error) => error.message,
    );
    served.push(found === name ? name : `${name}: ${found}`);
  }
  return served;
}

describe('a fault hits attempts', () => {
  const hit = (name: Server): string => `${name}: 10 ABORTED: fault drill of the policy (drill)`;
  it.each<[unknown, readonly Server[]]>([
    [undefined, ['stable', 'far', 'lane', 'v2', 'v2-canary']],
    ['stable', ['stable', 'far']],
    [{ subset: 'stable', datacenter: 'dc2' }, ['far']],
    [{ datacenter: 'dc1' }, ['stable']],
    ['lane pr-42', ['lane']],
    ['lane pr-43', []],
    [{ service: 'payments-v2' }, ['v2']],
    [{ service: 'payments-v2', subset: 'canary' }, ['v2-canary']],
    [{ service: 'payments-v2', subset: 'canary', datacenter: 'dc2' }, []],
  ])('in %j, and no others', async (target, expected) => {
    const names = Object.keys(INSTANCES) as Server[];
    expect(await reached(target)).toEqual(names.map((name) => (expected.includes(name) ? hit(name) : name)));
  });
});
