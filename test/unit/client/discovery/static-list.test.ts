import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseStaticList, type StaticList } from '../../../../src/client/discovery/static';
import { runs } from '../../../support/slice';

const FIELDS = {
  address: fc.constantFrom('10.0.0.1', '10.0.0.2', 'a b', 7),
  port: fc.constantFrom(1, 2, 0),
  tags: fc.constantFrom([], ['a'], ['a', 'b'], 'a', null),
  meta: fc.constantFrom({}, { v: '1' }, { v: '2' }, { v: 1 }, null),
  weight: fc.constantFrom(0, 1, 2, null),
  datacenter: fc.constantFrom('local', 'dc2', '', null),
  zone: fc.constantFrom('z', null),
  id: fc.constantFrom('10.0.0.1:1', 'one', null),
  status: fc.constantFrom('passing', 'critical', 'unwell', null),
  extra: fc.constant(1),
};
const sound = fc.record({ address: fc.constant('10.0.1.1'), port: fc.integer({ min: 1, max: 30 }) });
/** Few enough of them to come again with one thing changed. */
const varied = fc.record(
  {
    address: fc.constant('10.0.1.1'),
    port: fc.constant(1),
    status: fc.constantFrom('passing', 'critical'),
    weight: fc.constantFrom(0, 1, 2),
  },
  { requiredKeys: ['address', 'port'] },
);
const entry = fc.oneof(
  { weight: 6, arbitrary: varied },
  { weight: 6, arbitrary: sound },
  { weight: 3, arbitrary: fc.record(FIELDS, { requiredKeys: ['address', 'port'] }) },
  { weight: 1, arbitrary: fc.constantFrom(null, 'x', {}) },
);
const lists = fc.array(
  fc.oneof(fc.array(sound, { maxLength: 20 }), fc.array(varied, { maxLength: 1 }), fc.array(entry, { maxLength: 8 })),
  {
    minLength: 2,
    maxLength: 5,
  },
);

function parse(list: unknown, former?: StaticList): ReturnType<typeof parseStaticList> {
  return parseStaticList(list, 'instances.pay', 'local', former);
}

describe('a list of instances that comes again', () => {
  it('is read as if there had been none before, whatever the one before was', () => {
    fc.assert(
      fc.property(lists, (all) => {
        let former: StaticList | undefined;
        for (const list of all) {
          const parsed = parse(list, former);
          expect(parsed).toEqual(parse(list));
          if (parsed.problems.length === 0) former = parsed.list;
        }
      }),
      { numRuns: runs(1_000) },
    );
  });

  it('keeps the objects of the instances that did not change, wherever they stand now', () => {
    const ports = fc.uniqueArray(fc.integer({ min: 1, max: 30 }), { minLength: 1 });
    fc.assert(
      fc.property(ports, ports, (before, now) => {
        const listOf = (all: readonly number[]): unknown => all.map((port) => ({ address: '10.0.1.1', port }));
        const { list: former } = parse(listOf(before));
        const known = new Map(former.instances.map((instance) => [instance.port, instance]));
        for (const instance of parse(listOf(now), former).list.instances) {
          if (known.has(instance.port)) expect(instance).toBe(known.get(instance.port));
        }
      }),
    );
  });
});
