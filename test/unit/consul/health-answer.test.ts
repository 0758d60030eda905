import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Instance } from '../../../src/base/instances';
import { parseHealth, parseKeys } from '../../../src/consul/health-answer';
import { parseEntry } from '../../../src/consul/health-entry';
import { healthEntry } from '../../support/scripted-consul';
import { runs } from '../../support/slice';

const good = (id: string, port: number, more: Readonly<Record<string, unknown>> = {}): object =>
  healthEntry(id, port, more);
const parse = (entries: unknown, before: readonly Instance[] = []) =>
  parseHealth(JSON.stringify(entries), 'dc1', before);

function healthy(entries: unknown, before: readonly Instance[] = []) {
  const parsed = parse(entries, before);
  if (parsed.kind !== 'health') expect.fail(parsed.reason);
  return parsed;
}

describe('one health entry', () => {
  const bad: readonly [string, unknown][] = [
    ['port 0', good('a', 0)],
    ['port 65536', good('a', 65_536)],
    ['a port that is text', good('a', 1, { Port: '7001' })],
    ['no address anywhere', { ...good('a', 1), Node: { Node: 'n1', Datacenter: 'dc1' } }],
    ['an address with a line break', good('a', 1, { Address: '10.0.0.1\r\nX: y' })],
    ['an address that is a path', good('a', 1, { Address: 'unix:///x' })],
    ['no ID', good('', 1)],
    ['control characters in a tag', good('a', 1, { Tags: ['ok', 'b\u0007'] })],
    ['tags that are no list', good('a', 1, { Tags: 'canary' })],
    ['meta with a number', good('a', 1, { Meta: { n: 1 } })],
    ['no Checks', { ...good('a', 1), Checks: undefined }],
    ['a check of unknown status', { ...good('a', 1), Checks: [{ Status: 'splendid' }] }],
    ['a negative weight', good('a', 1, { Weights: { Passing: -1, Warning: 1 } })],
    ['a huge weight', good('a', 1, { Weights: { Passing: 1e9, Warning: 1 } })],
    ['an infinite weight in meta', good('a', 1, { Meta: { weight: 'Infinity' } })],
    ['no Service', { Node: {}, Checks: [] }],
    ['null', null],
  ];
  for (const [what, entry] of bad) {
    it(`is refused with ${what}`, () => expect(parseEntry(entry, 'dc1')).toBeUndefined());
  }

  it('may hold what newer servers send', () => {
    const entry = good('a', 1, { Locality: { Region: 'r', Zone: 'z9' }, PeerName: '', Weights: null, Unknown: [1] });
    expect(parseEntry(entry, 'dc1')).toMatchObject({ zone: 'z9', weight: 1, status: 'passing' });
  });

  it('takes the zone from meta first, and a weight in meta only when it is a number', () => {
    const meta = { zone: 'z1', availability_zone: 'z2', weight: 'heavy' };
    expect(parseEntry(good('a', 1, { Meta: meta, Weights: { Passing: 7, Warning: 2 } }), 'dc1')).toMatchObject({
      zone: 'z1',
      weight: 7,
    });
    expect(parseEntry(good('a', 1, { Meta: { availability_zone: 'z2' } }), 'dc1')?.zone).toBe('z2');
  });

  it('treats __proto__ and its kin in meta as ordinary text', () => {
    const entry = JSON.parse(
      JSON.stringify(good('a', 1)).replace('"Meta":{}', '"Meta":{"__proto__":"x","constructor":"y"}'),
    );
    const instance = parseEntry(entry, 'dc1');
    expect(Object.entries(instance?.meta ?? {})).toEqual([
      ['__proto__', 'x'],
      ['constructor', 'y'],
    ]);
  });
});

describe('a whole answer', () => {
  it('drops malformed instances and counts them', () => {
    const parsed = healthy([good('b', 2), good('a', 1), good('c', 0)]);
    expect(parsed.instances.map((one) => one.id)).toEqual(['a', 'b']);
    expect(parsed.rejected).toBe(1);
  });

  it('takes no ID above 1,024 characters', () => {
    const [longest, longer] = ['l'.repeat(1_024), 'l'.repeat(1_025)];
    const parsed = healthy([good(longest, 1), good(longer, 2), good('c', 3)]);
    expect(parsed.instances.map(({ id }) => id)).toEqual(['c', longest]);
    expect(parsed.rejected).toBe(1);
  });

  it('is refused when more than half is malformed; exactly half is not', () => {
    expect(healthy([good('a', 1), good('c', 0)]).rejected).toBe(1);
    expect(parse([good('c', 0), null, null])).toEqual({
      kind: 'refused',
      reason: '3 of 3 instances are malformed (c: has no port to dial)',
    });
    // That one is well formed, and cannot be called.
    expect(healthy([good('a', 1), good('c', 0), null])).toMatchObject({
      rejected: 2,
      faults: ['c: has no port to dial'],
    });
  });

  it('keeps one of a doubled key and of a doubled address: the healthiest, in whatever order they come', () => {
    const critical = { ...good('a', 1), Checks: [{ Status: 'critical' }] };
    for (const entries of [
      [critical, good('b', 1), good('b', 9)],
      [good('b', 9), good('b', 1), critical],
    ]) {
      const parsed = parse([...entries, good('c', 3), good('d', 4)]);
      expect(parsed).toMatchObject({ kind: 'health', rejected: 2 });
      expect(parsed.kind === 'health' && parsed.instances.map((one) => one.id)).toEqual(['b', 'c', 'd']);
    }
  });

  it('of two registrations of one address the newer counts, whatever its health and name', () => {
    const at = (id: string, index: number, more: object = {}) => good(id, 1, { ModifyIndex: index, ...more });
    const ghost = at('z-ghost', 7, { Tags: ['stable'] });
    const now = { ...at('a-now', 9, { Tags: ['canary'] }), Checks: [{ Status: 'critical' }] };
    const other = { ...at('a-now', 8), Node: { Node: 'n0', Address: '10.0.0.1', Datacenter: 'dc1' } };
    for (const entries of [
      [ghost, now, other],
      [other, now, ghost],
    ]) {
      expect(healthy(entries)).toMatchObject({
        instances: [{ id: 'a-now', node: 'n1', tags: ['canary'], status: 'critical' }],
        rejected: 2,
        duplicates: 2,
        doubles: [
          { endpoint: '10.0.0.1:1', counts: 'a-now', leftOut: 'a-now' },
          { endpoint: '10.0.0.1:1', counts: 'a-now', leftOut: 'z-ghost' },
        ],
      });
    }
    // One ID on several nodes is Consul's default, and no claim: there the name of the service stands in for an ID.
    const elsewhere = { ...good('a-now', 2), Node: { Node: 'n0', Address: '10.0.0.2', Datacenter: 'dc1' } };
    expect(healthy([now, elsewhere])).toMatchObject({ rejected: 0, instances: [{}, {}] });
  });

  it('weight 0 is well-formed: no new calls, however many have it', () => {
    const drained = good('a', 1, { Meta: { weight: '0' } });
    const entries = [drained, good('b', 2, { Weights: { Passing: 0, Warning: 1 } }), good('c', 3)];
    expect(healthy(entries)).toMatchObject({ rejected: 0, instances: [{ weight: 0 }, { weight: 0 }, { weight: 1 }] });
  });

  it('tells the opinion of other nodes from what is known of the instance', () => {
    const serf = { CheckID: 'serfHealth', ServiceID: '', Status: 'critical' };
    const statusOf = (...Checks: object[]) => {
      const { status, isNodeFailed = false } = parseEntry({ ...good('a', 1), Checks }, 'dc1') ?? {};
      return [status, isNodeFailed];
    };
    const own = (Status: string) => ({ CheckID: 'service:a', ServiceID: 'a', Status });
    expect(statusOf(serf, own('passing'))).toEqual(['passing', true]);
    expect(statusOf(own('warning'), { ...serf, CheckID: 'externalNodeHealth' })).toEqual(['warning', true]);
    expect(statusOf(serf)).toEqual(['passing', true]);
    expect(statusOf(serf, own('critical'))).toEqual(['critical', false]);
    expect(statusOf(serf, { CheckID: '_node_maintenance', Status: 'critical' })).toEqual(['critical', false]);
    expect(statusOf({ CheckID: 'disk', Status: 'critical' })).toEqual(['critical', false]);
    // Somebody's own check of that name.
    expect(statusOf({ ...serf, ServiceID: 'a' })).toEqual(['critical', false]);
  });

  it('is the same whatever the order, and keeps the objects of what did not change', () => {
    const first = healthy([good('a', 1), good('b', 2), good('c', 3)]);
    const shuffled = healthy([good('c', 3), good('a', 1), good('b', 2)], first.instances);
    expect(shuffled).toMatchObject({ same: true, instances: first.instances });
    const changed = healthy([good('a', 1), good('b', 2, { Tags: ['new'] }), good('c', 3)], first.instances);
    expect(changed.same).toBe(false);
    expect(changed.instances.map((one, at) => one === first.instances[at])).toEqual([true, false, true]);
  });

  it('that is no JSON array is garbage', () => {
    for (const text of ['', '<html>', '{}', 'null', '[', '"x"', '42']) {
      expect(parseHealth(text, 'dc1', [])).toMatchObject({ kind: 'garbage' });
      expect(parseKeys(text, 'dc1')).toBeTypeOf('string');
    }
  });
});

/** Well-formed entries with any field replaced by anything. */
const strangeEntries = fc.array(
  fc
    .tuple(
      fc.constantFrom('ID', 'Address', 'Port', 'Tags', 'Meta', 'Weights', 'Locality', 'Node', 'Service', 'Checks'),
      fc.oneof(fc.jsonValue(), fc.constantFrom('', -1, 0, 65_536, [null], { Passing: '1' }, { weight: '1e999' })),
      fc.integer({ min: 0, max: 3 }),
    )
    .map(([field, value, port]) => {
      const entry = good(`i${port}`, port);
      const isTop = field === 'Node' || field === 'Service' || field === 'Checks';
      return isTop
        ? { ...entry, [field]: value }
        : { ...entry, Service: { ...good(`i${port}`, port), ID: 'x', [field]: value } };
    }),
);

describe('any text', () => {
  it('never makes it throw, and whatever comes out is well formed, unique and ordered', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          strangeEntries.map((entries) => JSON.stringify(entries)),
          fc.json(),
          fc.string(),
          fc.array(fc.jsonValue()).map((entries) => JSON.stringify(entries)),
        ),
        (text) => {
          const parsed = parseHealth(text, 'dc1', []);
          if (parsed.kind !== 'health') {
            expect(parsed.reason).toMatch(/./);
            return;
          }
          const { instances, rejected } = parsed;
          expect(instances.length + rejected).toBe((JSON.parse(text) as unknown[]).length);
          const keys = instances.map((one) => one.key);
          expect(keys).toEqual([...new Set(keys)].sort());
          expect(new Set(instances.map((one) => `${one.address} ${one.port}`)).size).toBe(instances.length);
          for (const one of instances) {
            expect(Number.isInteger(one.port) && one.port >= 1 && one.port <= 65_535).toBe(true);
            expect(one.weight >= 0 && one.weight <= 65_535).toBe(true);
            expect(one.status === 'critical' || one.status === 'warning' || one.weight > 0).toBe(true);
          }
        },
      ),
      { numRuns: runs(2000) },
    );
  });
});
