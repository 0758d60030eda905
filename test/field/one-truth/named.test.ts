import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { seededRandom } from '../../../src/base/random';
import type { PolicyDocument } from '../../../src/index';
import { type Asked, emptyTally, openWorld, runWorld } from './cells';
import { type Ground, openGround } from './ground';
import { type Call, DATACENTERS, type Listed, METHODS, PEER, type World } from './worlds';

let ground: Ground;

beforeAll(async () => {
  ground = await openGround();
});
afterAll(() => ground.close());

let worlds = 100_000;
let next = 0;

function listed(place: string, more: Partial<Listed> = {}): Listed {
  next += 1;
  return {
    service: `pay-${worlds}`,
    place,
    id: `i${next}`,
    server: next % ground.servers.length,
    tags: [],
    meta: {},
    status: 'passing',
    weights: { Passing: 1, Warning: 1 },
    ...more,
  };
}

interface Parts {
  readonly listed: readonly Listed[];
  readonly document?: Omit<PolicyDocument, 'schema' | 'service'>;
  /** Targets of one resolver, in order; without a service, the own one. */
  readonly targets?: readonly object[];
  readonly force?: Call['force'];
  /** Of the draw, in [0, 1). */
  readonly seed?: number;
}

/** A world that Consul lists until the end of `run`. */
async function listing<T>(parts: Parts, datacenters: readonly string[], run: (world: World) => Promise<T>): Promise<T> {
  const { listed: entries, document, targets, force, seed = 1 } = parts;
  const service = `pay-${worlds}`;
  const world: World = {
    service,
    datacenters,
    source: 'auto',
    document: document === undefined ? undefined : { schema: 1, service, ...document },
    chain: targets === undefined ? undefined : chainTo(service, targets),
    listed: entries,
    filtered: new Set(),
    calls: [{ method: METHODS[0] as string, labels: {}, force, seed }],
  };
  worlds += 1;
  ground.registry.add(world);
  try {
    return await run(world);
  } finally {
    ground.registry.remove(world);
  }
}

function asked(parts: Parts): Promise<Asked> {
  return listing(parts, ['dc1', 'dc2'], async (world) => {
    const opened = await openWorld(world, ground.registry.address);
    try {
      return await opened.ask(world.calls[0] as Call);
    } finally {
      await opened.close();
    }
  });
}

/** What the commands, the judgement of a change and a call say of a world, where one of them says something else. */
function disagreements(parts: Parts): Promise<readonly string[]> {
  return listing(parts, DATACENTERS, async (world) => {
    const tally = emptyTally();
    await runWorld(world, ground.registry.address, tally);
    return tally.disagreements;
  });
}

function chainTo(service: string, targets: readonly object[]): object {
  const own = { Service: service, ServiceSubset: '', Namespace: 'default', Datacenter: 'dc1', Subset: {} };
  const all = Object.fromEntries(targets.map((target, at) => [`t${at}`, { ...own, ...target, ID: `t${at}` }]));
  const Failover = targets.length === 1 ? {} : { Failover: { Targets: Object.keys(all).slice(1) } };
  return {
    ServiceName: service,
    Namespace: 'default',
    Datacenter: 'dc1',
    Protocol: 'grpc',
    StartNode: 'resolver:t0',
    Nodes: { 'resolver:t0': { Type: 'resolver', Name: 't0', Resolver: { Target: 't0', ...Failover } } },
    Targets: all,
  };
}

/** By tier: who is told to take calls, and who is not and why. */
function told({ explanation }: Asked): readonly (readonly [string, ...string[]])[] {
  return explanation.tiers.map(({ number, subset, datacenter, endpoints }) => [
    `${number} ${subset} ${datacenter}`,
    ...endpoints.map(({ instance, heldOut }) => (heldOut === undefined ? instance : `${instance}: ${heldOut}`)),
  ]);
}

describe('explain() and the call that is made', () => {
  it('leave an instance with a warning out where only passing ones may serve', async () => {
    const [ailing, fit] = [listed('dc1', { id: 'ailing', status: 'warning' }), listed('dc2', { id: 'fit' })];
    const only = { ServiceSubset: 'v1', Subset: { OnlyPassing: true } };
    const found = await asked({ listed: [ailing, fit], targets: [only, { ...only, Datacenter: 'dc2' }] });
    expect(told(found)).toEqual([
      ['0 v1 dc1', 'ailing: warning in Consul, and the subset is OnlyPassing'],
      ['1 v1 dc2', 'fit'],
    ]);
    expect(found.report?.attempts).toMatchObject([{ instance: 'fit', tier: 1 }]);
  });

  it('name a peer as the place of its instances, whatever its own datacenter is called', async () => {
    const [far, near] = [listed(`peer ${PEER}`, { id: 'far' }), listed('dc1', { id: 'near', status: 'critical' })];
    const found = await asked({ listed: [far, near], targets: [{}, { Peer: PEER }] });
    expect(told(found)).toEqual([
      ['0 * dc1', 'near: critical in Consul'],
      [`1 * peer ${PEER}`, 'far'],
    ]);
    expect(found.report?.attempts).toMatchObject([{ instance: 'far', datacenter: `peer ${PEER}`, tier: 1 }]);
  });

  it('judge an address that two services are registered at by the one that the subset is of', async () => {
    const server = 3;
    const mine = listed('dc1', { id: 'mine', server });
    const theirs = listed('dc1', { id: 'theirs', service: `ord-${worlds}`, server, status: 'critical' });
    const targets = [{}, { Service: `ord-${worlds}` }];
    const found = await asked({ listed: [mine, theirs], targets });
    expect(told(found)).toEqual([
      ['0 * dc1', 'mine'],
      [expect.stringMatching(/^1 ord-\d+\/\* dc1$/), 'theirs: critical in Consul'],
    ]);
    expect(found.explanation.tiers[0]?.endpoints[0]).toMatchObject({ weight: 1, status: 'passing' });
    expect(found.report?.attempts).toMatchObject([{ instance: 'mine', tier: 0 }]);
  });

  it('number a tier by the order of failover, with tiers that have nobody', async () => {
    const subsets = { stable: { tags: ['stable'] }, canary: { tags: ['canary'], fallback: 'stable' } };
    const found = await asked({
      listed: [listed('dc2', { id: 'far', tags: ['stable'] })],
      document: { subsets, default: 'canary' },
    });
    expect(told(found).map(([tier]) => tier)).toEqual(['0 canary dc1', '1 canary dc2', '2 stable dc1', '3 stable dc2']);
    expect(found.report?.attempts).toMatchObject([{ instance: 'far', subset: 'stable', tier: 3 }]);
  });

  it.each([
    [0.2, 'near', 0],
    [0.9, 'far', 1],
  ])('tell of the calls that a weakened tier passes on: draw %d goes to %s', async (wanted, instance, tier) => {
    const entries = [
      listed('dc1', { id: 'near' }),
      listed('dc1', { id: 'ill', status: 'critical' }),
      listed('dc2', { id: 'far' }),
    ];
    const found = await asked({ listed: entries, seed: seedDrawing(wanted) });
    expect(found.explanation.tiers.map(({ keeps }) => keeps)).toEqual([0.7, 1]);
    expect(found.report?.attempts).toMatchObject([{ instance, tier }]);
  });

  it('go to the instance that a force names, and name no other', async () => {
    const entries = [listed('dc1', { id: 'first' }), listed('dc2', { id: 'second' })];
    const found = await asked({ listed: entries, force: { instance: 'second' } });
    expect(told(found)).toEqual([['0 * dc2', 'second']]);
    expect(found.report?.attempts).toMatchObject([{ instance: 'second', tier: 0 }]);
  });

  it('know nobody where a force names an instance that is not there', async () => {
    const found = await asked({ listed: [listed('dc1')], force: { instance: 'nobody' } });
    expect(told(found)).toEqual([]);
    expect(found.report?.attempts).toEqual([]);
    expect(found.answer).toContain('forced by the caller to instance nobody');
  });

  it('leave to other clients what a subset of a size leaves to them', async () => {
    const found = await asked({
      listed: [listed('dc1'), listed('dc1'), listed('dc1')],
      document: { balancing: { subsetSize: 1 } },
    });
    const [all] = found.explanation.tiers;
    const own = all?.endpoints.filter(({ heldOut }) => heldOut === undefined) ?? [];
    expect(all?.endpoints).toHaveLength(3);
    expect(own).toHaveLength(1);
    expect(found.report?.attempts).toMatchObject([{ instance: own[0]?.instance }]);
  });
});

describe('commands, the judgement of a change, explain() and calls', () => {
  const none = { Passing: 0, Warning: 0 };
  const places: readonly (readonly [string, readonly (readonly [string, Partial<Listed>])[]])[] = [
    [
      'one of two',
      [
        ['dc1', {}],
        ['dc1', { id: 'out', weights: none }],
      ],
    ],
    [
      'all of the first datacenter',
      [
        ['dc1', { id: 'out', weights: none }],
        ['dc2', {}],
      ],
    ],
    [
      'all that there are',
      [
        ['dc1', { id: 'out', weights: none }],
        ['dc2', { weights: none }],
      ],
    ],
    [
      'one of two, the other critical',
      [
        ['dc1', { id: 'out', weights: none }],
        ['dc1', { status: 'critical' }],
      ],
    ],
    [
      'one of three, another critical',
      [
        ['dc1', { id: 'out', weights: none }],
        ['dc1', {}],
        ['dc1', { status: 'critical' }],
      ],
    ],
    [
      'one that is critical too',
      [
        ['dc1', { id: 'out', weights: none, status: 'critical' }],
        ['dc1', {}],
        ['dc2', {}],
      ],
    ],
  ];
  const asks: readonly (readonly [string, Call['force']])[] = [
    ['a call', undefined],
    ['a call that is forced to it', { instance: 'out' }],
    ['a call that is forced to it where it can be', { instance: 'out', strict: false }],
  ];
  it.each(places.flatMap(([name, entries]) => asks.map(([ask, force]) => ({ name, entries, ask, force }))))(
    'agree where weight 0 takes out $name: $ask',
    async ({ entries, force }) => {
      const found = entries.map(([place, more]) => listed(place, more));
      // A draw that a weakened tier passes on, where there is a tier to pass it on to.
      expect(await disagreements({ listed: found, force, seed: seedDrawing(0.9) })).toEqual([]);
    },
  );
});

/** A seed whose first number is near `wanted`. */
function seedDrawing(wanted: number): number {
  return [...Array(200).keys()].find((seed) => Math.abs(seededRandom(seed)() - wanted) < 0.05) ?? 0;
}
