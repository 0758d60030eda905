import { describe, expect, it } from 'vitest';
import type { DatacenterState, Instance } from '../../../../src/base/instances';
import { judgeEffect } from '../../../../src/ops/effect/effect';
import { compilePolicy } from '../../../../src/policy/compile';
import type { Plan } from '../../../../src/policy/plan';
import { graySplit } from '../../../support/gray-policy';

const NOW_MS = Date.parse('2026-11-28T12:00:00Z');
const UNTIL = '2026-11-28T13:00:00Z';
type Doc = Record<string, unknown>;

const BASE: Doc = {
  subsets: { stable: { tags: ['stable'] }, canary: { tags: ['canary'], fallback: 'stable' } },
  default: 'stable',
  routes: [{ name: 'testers', match: { labels: { 'x-gray': 'canary' } }, to: 'canary', strict: true }],
};

function planOf(change: Doc = {}): Plan {
  const content = { schema: 1, service: 'p', ...BASE, ...change };
  return compilePolicy({ content, format: 'object' }, { service: 'p', origin: 'kv' });
}

function instance(datacenter: string, at: number, tag: string, change: Partial<Instance> = {}): Instance {
  const id = `${tag}-${at}`;
  return {
    key: `${datacenter}/n/${id}`,
    id,
    node: 'n',
    datacenter,
    zone: undefined,
    address: '127.0.0.1',
    port: 7000 + at,
    tags: [tag],
    meta: { version: tag === 'stable' ? 'v1' : 'v2' },
    status: 'passing',
    weight: 1,
    ...change,
  };
}

function state(datacenter: string, instances: readonly Instance[], change: Partial<DatacenterState> = {}) {
  const known = {
    known: true,
    rejected: 0,
    connectOnly: false,
    filters: new Map(),
    freshness: { kind: 'fresh' },
  } as const;
  return { ...known, datacenter, local: datacenter === 'dc1', instances, ...change };
}

/** Four of stable and one canary in dc1, two of stable in dc2. */
const DC1 = [0, 1, 2, 3].map((at) => instance('dc1', at, 'stable')).concat(instance('dc1', 9, 'canary'));
const DC2 = [0, 1].map((at) => instance('dc2', at, 'stable'));
const WORLD = [state('dc1', DC1), state('dc2', DC2)];

function judge(
  after: Plan,
  before: Plan | 'none' = planOf(),
  datacenters: readonly DatacenterState[] = WORLD,
  more = {},
) {
  const view = { instances: { version: 0, datacenters }, datacenters: ['dc1', 'dc2'], services: ['pay'], ...more };
  return judgeEffect({ before: before === 'none' ? undefined : before, after, view, wallNowMs: NOW_MS });
}

function refusals(...args: Parameters<typeof judge>): readonly string[] {
  return judge(...args)
    .findings.filter(({ isNew }) => isNew)
    .map(({ kind, text }) => `${kind}: ${text}`);
}

const { subsets } = BASE as { subsets: Record<string, object> };
const STRICT = { stable: { tags: ['stable'] }, canary: { tags: ['canary'] } };

describe('the name of a service in another case', () => {
  it.each<readonly [what: string, before: Plan | 'none', services: readonly string[], told: readonly string[]]>([
    [
      'of a first policy is most likely a slip',
      'none',
      ['P', 'pay'],
      ['service: p is registered as P, and clients read the policy of the very name that they call; did you mean P?'],
    ],
    ['is none where both are registered', 'none', ['P', 'p'], []],
    ['is no news where there is a policy', planOf(), ['P'], []],
    ['says nothing where Consul does not list names', 'none', [], []],
  ])('%s', (_, before, services, told) => {
    const found = refusals(planOf(), before, WORLD, { services }).filter((text) => text.startsWith('service'));
    expect(found).toEqual(told);
  });
});

describe('a route whose instances are in another datacenter alone', () => {
  const world = [state('dc1', DC1), state('dc2', [...DC2, instance('dc2', 7, 'far')])];
  const leadingTo = (tag: string): Plan =>
    planOf({ subsets: { ...subsets, canary: { tags: [tag] } }, locality: { failover: ['dc2'] } });
  const told = [
    expect.stringMatching(/^calls: for clients that look in dc1 alone, calls of route testers would fail: canary/),
  ];

  it('is refused where its calls are served now', () => {
    expect(refusals(leadingTo('far'), leadingTo('canary'), world)).toEqual(expect.arrayContaining(told));
  });

  it('may be meant by a first policy', () => {
    expect(refusals(leadingTo('far'), 'none', world).filter((text) => text.includes('alone'))).toEqual([]);
  });

  it('is told, and no problem, once it is in force', () => {
    const plan = leadingTo('far');
    const { findings, athomeLost } = judge(plan, plan, world);
    expect(findings.filter(({ kind }) => kind === 'calls')).toEqual([]);
    expect(athomeLost).toEqual([expect.stringMatching(/^for clients that look in dc1 alone, calls of route testers/)]);
  });
});

describe('the effect of a change', () => {
  it.each<readonly [what: string, change: Doc, told: string]>([
    [
      'a misspelt tag of the default',
      { subsets: { ...subsets, stable: { tags: ['stabel'] } } },
      'calls: calls of the default would fail: stable: none of 7 instances has tag stabel (tags there: stable 6, canary 1); ' +
        'did you mean stable?; fallback none',
    ],
    [
      'a misspelt key of meta',
      { subsets: { ...subsets, stable: { meta: { vresion: 'v1' } } } },
      'calls: calls of the default would fail: stable: none of 7 instances has meta vresion (meta keys there: version 7); ' +
        'did you mean version?; fallback none',
    ],
    [
      'a misspelt value of meta',
      { subsets: { ...subsets, canary: { tags: ['canary'], meta: { version: 'v22' }, fallback: 'stable' } } },
      'calls: calls of route testers would fail: canary: none of 7 instances has meta version: v22 (values there: v1 6, v2 1); ' +
        'did you mean v2?; fallback none',
    ],
    [
      'tag and meta that nobody has together',
      { subsets: { ...subsets, stable: { tags: ['stable'], meta: { version: 'v2' } } } },
      'calls: calls of the default would fail: stable: none of 7 instances has tag stable and meta version: v2 together; fallback none',
    ],
    [
      'a fallback that is empty',
      { subsets: { ...subsets, spare: { tags: ['spare'] }, canary: { tags: ['canary'], fallback: 'spare' } } },
      '',
    ],
    [
      'a subset far smaller',
      { subsets: { ...subsets, stable: { tags: ['stable'], filter: 'Service.Port == 7000' } } },
      'fewer: stable (default) would have 1 of the 4 usable instances that it has now in dc1: stable: 2 instances',
    ],
    [
      'another default, that few serve',
      { default: 'canary' },
      'fewer: calls would go to 1 of the 4 instances that serve them now',
    ],
    [
      'two subsets that are the same',
      { subsets: { ...subsets, canary: { tags: ['stable'], fallback: 'stable' } } },
      'same: stable and canary would be the same 6 instances: canary: 6 instances',
    ],
    [
      'a failover that is misspelt',
      { locality: { failover: ['dc22'] } },
      'datacenter: locality.failover[0]: Consul knows no datacenter dc22 (it knows dc1, dc2; did you mean dc2?)',
    ],
    [
      'an override to few',
      { override: { to: 'canary', until: UNTIL } },
      'fewer: calls would go to 1 of the 4 instances that serve them now',
    ],
    [
      'an override to a subset that is not in the datacenter',
      { override: { to: 'canary', datacenter: 'dc2', until: UNTIL }, subsets: STRICT },
      'empty: override.datacenter: no usable instance of canary in dc2, so clients would go on as without it',
    ],
    [
      'an override to a datacenter that there is not',
      { override: { datacenter: 'cd2', until: UNTIL } },
      'datacenter: override.datacenter: Consul knows no datacenter cd2 (it knows dc1, dc2; did you mean dc2?)',
    ],
  ])('refuses %s', (_, change, told) => {
    const filters = new Map([['Service.Port == 7000', new Set(['dc1/n/stable-0', 'dc2/n/stable-0'])]]);
    const world = WORLD.map((each) => ({ ...each, filters }));
    const found = refusals(planOf(change), planOf(), world);
    if (told !== '') expect(found).toContain(told);
    // The fallback of a strict route is in no chain of it.
    else expect(found).toEqual([]);
  });

  it('refuses an empty fallback where calls may get to it', () => {
    const routes = [{ name: 'all', to: 'canary' }];
    const spare = { ...subsets, spare: { tags: ['spare'] }, canary: { tags: ['canary'], fallback: 'spare' } };
    expect(refusals(planOf({ routes, subsets: spare }), planOf({ routes }))).toContain(
      'empty: spare: none of 7 instances has tag spare (tags there: stable 6, canary 1) (fallback of canary)',
    );
  });

  it('tells a filter that Consul refuses with what it says', () => {
    const filter = 'Service.Meta.lane is empty';
    const filterFailures = new Map([[filter, { reason: 'HTTP 500: Invalid match operator', isRefused: true }]]);
    const world = WORLD.map((each) => ({ ...each, filterFailures }));
    const after = planOf({ subsets: { ...subsets, canary: { filter, fallback: 'stable' } } });
    expect(refusals(after, planOf(), world)).toContain(
      'filter: canary (route testers) would be empty: Consul refuses its filter: HTTP 500: Invalid match operator',
    );
  });

  it.each<readonly [what: string, change: Doc]>([
    [
      'weights',
      {
        routes: [
          {
            name: 'all',
            split: graySplit(10),
          },
        ],
      },
    ],
    ['a route to stable', { routes: [{ name: 'vip', match: { labels: { x: 'y' } }, to: 'stable' }] }],
    ['a subset that nobody uses', { subsets: { ...subsets, later: { tags: ['later'] } } }],
    ['a guard', { subsets: { ...subsets, canary: { tags: ['canary'], fallback: 'stable', guard: {} } } }],
    ['an override to stable', { override: { to: 'stable', until: UNTIL } }],
    [
      'an override to another datacenter',
      { override: { datacenter: 'dc2', until: UNTIL }, locality: { failover: [] } },
    ],
    ['an override that has ended', { override: { to: 'canary', until: '2026-11-28T11:00:00Z' } }],
    ['no failover', { locality: { failover: [] } }],
  ])('takes %s', (_, change) => {
    expect(refusals(planOf(change))).toEqual([]);
  });

  it('refuses nothing that is so already, and tells it', () => {
    const withoutCanary = [state('dc1', DC1.slice(0, 4)), state('dc2', DC2)];
    const after = planOf({ timeoutMs: 100 });
    const { findings } = judge(after, planOf(), withoutCanary);
    expect(findings.map(({ kind, isNew }) => [kind, isNew])).toEqual([['calls', false]]);
    // But the same calls must be lost, and no more of them.
    const wider = planOf({
      routes: [{ name: 'testers', match: { labels: { 'x-gray': { present: true } } }, to: 'canary' }],
    });
    const strict = planOf({
      routes: [{ name: 'testers', match: { labels: { 'x-a': 'b' } }, to: 'canary', strict: true }],
    });
    expect(refusals(wider, planOf(), withoutCanary)).toEqual([]);
    expect(refusals(strict, planOf(), withoutCanary).join()).toContain('calls of route testers would fail');
    const uncovered = { name: 'vip', match: { labels: { 'x-gray': { in: ['canary'] } } }, to: 'stable' };
    const routes = BASE['routes'] as object[];
    expect(refusals(planOf(), planOf({ routes: [uncovered, ...routes] }), withoutCanary).join()).toContain('testers');
  });

  it('sees a misspelt tag during an outage, and refuses nothing else then', () => {
    const ill = [
      state(
        'dc1',
        DC1.map((one) => ({ ...one, status: 'critical' as const })),
      ),
    ];
    expect(refusals(planOf({ timeoutMs: 5 }), planOf(), ill)).toEqual([]);
    expect(refusals(planOf({ default: 'canary' }), planOf(), ill)).toEqual([]);
    const typo = planOf({ subsets: { ...subsets, stable: { tags: ['stabel'] } } });
    expect(refusals(typo, planOf(), ill).join()).toContain('did you mean stable?');
  });

  it('does not judge what is not registered, but the name of a first policy', () => {
    const nobody = [state('dc1', []), state('dc2', [])];
    expect(judge(planOf(), 'none', nobody)).toMatchObject({ findings: [], isUnregistered: true });
    expect(refusals(planOf(), 'none', nobody, { services: ['pp'] })).toEqual([
      'service: no instance of p is registered; did you mean pp?',
    ]);
    expect(refusals(planOf(), planOf(), nobody, { services: ['pp'] })).toEqual([]);
    // Numbered siblings are no slips.
    expect(refusals(planOf(), 'none', nobody, { services: ['p2'] })).toEqual([]);
  });

  it('holds a first policy against calls that are spread over everybody', () => {
    expect(refusals(planOf(), 'none')).toEqual([]);
    const typo = planOf({ subsets: { stable: { tags: ['stabel'] } }, routes: [] });
    expect(refusals(typo, 'none').join()).toContain('calls of the default would fail');
  });

  it('thinks of clients that look in their own datacenter alone', () => {
    const away = [
      state('dc1', [...DC1, instance('dc2', 5, 'green')]),
      state('dc2', [...DC2, instance('dc2', 6, 'blue')]),
    ];
    const after = planOf({ subsets: { ...subsets, stable: { tags: ['blue'] } } });
    expect(refusals(after, planOf(), away).join()).toContain(
      'for clients that look in dc1 alone, calls of the default would fail',
    );
    // A deploy that lost its tag here, under the policy that stands; not a service that is meant to be elsewhere alone.
    const standing = planOf();
    const untagged = DC1.map((each) => ({ ...each, tags: [] }));
    const told = (home: readonly Instance[]): string =>
      judge(standing, standing, [state('dc1', home), state('dc2', DC2)])
        .findings.map(({ text }) => text)
        .join();
    expect(told(untagged)).toContain('for clients that look in dc1 alone, calls of the default would fail');
    expect(told([])).not.toContain('look in dc1 alone');
    const remark = judge(planOf({ override: { datacenter: 'dc2', until: UNTIL } })).remarks;
    expect(remark).toEqual(["clients that look in dc1 alone, as they do by default, do not go by the override's dc2"]);
  });

  it('counts the subsets of a rollout as used', () => {
    const after = planOf({ subsets: { ...subsets, canary: { tags: ['canari'], fallback: 'stable' } }, routes: [] });
    expect(refusals(after, planOf({ routes: [] }))).toEqual([]);
    const told = refusals(after, planOf({ routes: [] }), WORLD, { alsoUsed: ['canary', 'stable'] });
    expect(told.join()).toContain('canary: none of 7 instances has tag canari');
  });

  it('judges lanes as it judges a selector: they take their instances out of every subset', () => {
    const inLanes = (datacenter: DatacenterState, count: number): DatacenterState => ({
      ...datacenter,
      instances: datacenter.instances.map((each, at) =>
        at < count ? { ...each, meta: { ...each.meta, lane: `pr-${at}` } } : each,
      ),
    });
    const lanes = { by: 'x-lane' };
    const all = WORLD.map((datacenter) => inLanes(datacenter, 9));
    expect(refusals(planOf({ lanes }), planOf(), all).join()).toContain(
      'calls of the default would fail: stable: 7 of 7 instances are in lanes (meta lane), so in no subset',
    );
    const most = [inLanes(WORLD[0] as DatacenterState, 3), WORLD[1] as DatacenterState];
    expect(refusals(planOf({ lanes }), planOf(), most).join()).toContain(
      'stable (default) would have 1 of the 4 usable instances that it has now in dc1',
    );
    // One lane beside the baseline is what lanes are for.
    const few = [inLanes(WORLD[0] as DatacenterState, 1), WORLD[1] as DatacenterState];
    expect(refusals(planOf({ lanes }), planOf(), few)).toEqual([]);
    const fallback = planOf({
      lanes: { ...lanes, fallback: 'blue' },
      subsets: { ...subsets, blue: { tags: ['blue'] } },
    });
    expect(refusals(fallback).join()).toContain(
      'blue: none of 7 instances has tag blue (tags there: stable 6, canary 1) (fallback of lanes)',
    );
    const included = { stable: { tags: ['stable'], lanes: 'include' }, canary: { tags: ['canary'], lanes: 'include' } };
    expect(refusals(planOf({ lanes, subsets: included }), planOf(), all)).toEqual([]);
  });
});

describe('a mirror', () => {
  const mirrored = (to: string): Doc => ({
    subsets: { ...(BASE['subsets'] as object), next: { tags: ['next'] } },
    routes: [{ name: 'everyone', to: 'stable', mirror: { to } }],
  });

  it('to nobody is a remark and refuses nothing', () => {
    const { findings, remarks } = judge(planOf(mirrored('next')));
    expect(findings).toEqual([]);
    expect(remarks).toEqual([expect.stringMatching(/^copies of calls of route everyone would go nowhere: next: none/)]);
  });

  it('to somebody is none', () => {
    expect(judge(planOf(mirrored('canary')))).toMatchObject({ findings: [], remarks: [] });
  });
});
