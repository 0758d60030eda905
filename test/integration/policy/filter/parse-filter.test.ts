import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fieldFault } from '../../../../src/policy/filter/filter-fields';
import { parseFilter } from '../../../../src/policy/filter/parse-filter';
import { validatePolicy } from '../../../../src/policy/validate';
import { type ConsulCluster, startConsul } from '../../../support/consul/start';

/** What nobody can tell from the text: Consul's answer to each is asked below. */
const GOOD: readonly string[] = [
  'Service.Meta.lane == x',
  'Service.Meta.version == v2',
  'stable in Service.Tags',
  '"stable" in Service.Tags',
  'Service.Tags not contains stable',
  'stable not in Service.Tags',
  'not Service.Tags is empty',
  'not not Service.Tags is not empty',
  'Service.Meta["version"] == v2',
  'Service.Meta["a-b"] != v2',
  'Service.Meta.version not matches `^v[12]$`',
  'Service.Port == -1',
  'Service.Port==1',
  'Service.Meta.lane==x or Service.Meta.lane!=y',
  '(stable in Service.Tags and Service.Port != 7) or (Checks.Status == passing)',
  ' ( not ( Service.Port == 1 ) ) ',
  'Service.Meta.version == 1.2',
  'Service.Meta.version == "1.2.3"',
  'Service.Tags contains "a\\tb"',
  'Service.Weights.Passing == 1',
  'Service.TaggedAddresses.lan.Address == x',
  'lane in Service.Meta',
  'Checks is empty',
  'Node.Meta.zone == a',
];
const BAD_SYNTAX: readonly (readonly [filter: string, told: string])[] = [
  ['Service.Tags contains', 'the end'],
  ['Service.Tags', 'the end'],
  ['(stable in Service.Tags', 'and, or, or )'],
  ['stable in Service.Tags)', 'and, or, or the end'],
  ['Service.Tags contains stable and', 'and'],
  ['Service.Meta.a-b != v2', '-b'],
  ['Service.Port > 3', '>'],
  ['Service.Port = 3', '='],
  ['Service.Meta.version matches `^v[`', 'RE2 syntax'],
  ['Service.Meta.version == v2-rc.1', 'double quotes'],
  ['Service.Meta.version == 1.2.3', 'a word, a number'],
  ["Service.Tags contains 'a'", "'a'"],
  ['Service.Tags contains "a\\"b"', 'backslash'],
  ['Service.Tags contains "a', '"a'],
  ['Node.Datacenter == dc1 AND Service.Port == 1', 'AND'],
  ['not(Service.Port==1)', '(Service'],
  ['Service..Tags is empty', 'a name after the dot'],
  ['Service.Meta[version] == a', 'in double quotes'],
  [' ', 'the end'],
  ['stable inn Service.Tags', 'inn'],
];
const BAD_FIELDS: readonly (readonly [filter: string, told: string])[] = [
  ['Service.Meta.lane is empty', 'contains or in'],
  ['Servce.Tags contains stable', 'did you mean Service?'],
  ['Service.Tag contains stable', 'did you mean Service.Tags?'],
  ['Service.Port == abc', 'a whole number'],
  ['Service == x', 'one of its fields'],
  ['Service.Tags == stable', 'is empty'],
  ['Service.Tags matches s', 'contains or in'],
];

let consul: ConsulCluster;
beforeAll(async () => {
  consul = await startConsul();
  await consul.dc('dc1').register({ name: 'p', port: 1, tags: ['stable'], meta: { version: 'v2' } });
});
afterAll(() => consul.stop());

async function isTaken(filter: string): Promise<boolean> {
  const answer = consul.dc('dc1').request('GET', `/v1/health/service/p?filter=${encodeURIComponent(filter)}`);
  return answer.then(
    () => true,
    (error: unknown) => {
      expect(String(error)).toContain('Failed to create boolean expression evaluator');
      return false;
    },
  );
}

describe('filter expressions', () => {
  it.each(GOOD)('takes %j, as Consul does', async (filter) => {
    const parsed = parseFilter(filter);
    expect(parsed).toHaveProperty('matches');
    if ('matches' in parsed) for (const match of parsed.matches) expect(fieldFault(match)).toBeUndefined();
    expect(await isTaken(filter)).toBe(true);
  });

  it.each(BAD_SYNTAX)('refuses %j, as Consul does, and says what is expected', async (filter, told) => {
    const parsed = parseFilter(filter);
    expect('at' in parsed ? `${parsed.found} ${parsed.expected}` : 'taken').toContain(told);
    expect(await isTaken(filter)).toBe(false);
  });

  it.each(BAD_FIELDS)('tells of %j what Consul has against it', async (filter, told) => {
    const parsed = parseFilter(filter);
    expect(parsed).toHaveProperty('matches');
    const faults = 'matches' in parsed ? parsed.matches.map((match) => fieldFault(match)?.expected) : [];
    expect(faults.join()).toContain(told);
    expect(await isTaken(filter)).toBe(false);
  });

  it('agrees with Consul about 150 expressions that were damaged by one character', async () => {
    const damaged = fc.tuple(
      fc.constantFrom(...GOOD.filter((filter) => !filter.includes('TaggedAddresses'))),
      fc.nat(),
      fc.constantFrom('', 'x', ' ', '(', ')', '"', '=', '.', '-', '7'),
      fc.boolean(),
    );
    const disagreements: string[] = [];
    for (const [filter, position, letter, isInserted] of fc.sample(damaged, { numRuns: 150, seed: 16 })) {
      const at = position % filter.length;
      const text = filter.slice(0, at) + letter + filter.slice(at + (isInserted ? 0 : 1));
      const parsed = parseFilter(text);
      // Fields that Consul has not are its own business: only what the grammar says is held against it here.
      const isSound = 'matches' in parsed && parsed.matches.every((match) => fieldFault(match) === undefined);
      if ((await isTaken(text)) !== isSound) disagreements.push(`${JSON.stringify(text)}: ${JSON.stringify(parsed)}`);
    }
    expect(disagreements).toEqual([]);
  });

  it('never throws, and is done with 100 KB at once', () => {
    fc.assert(fc.property(fc.string({ unit: 'grapheme' }), (text) => void parseFilter(text)));
    for (const text of ['('.repeat(100_000), `${' '.repeat(100_000)}x`, 'a.'.repeat(50_000), '"'.repeat(99_999)]) {
      expect(parseFilter(text)).toHaveProperty('at');
    }
    expect(parseFilter(Array.from({ length: 5_000 }, () => 'a in Service.Tags').join(' or '))).toHaveProperty(
      'matches',
    );
  });

  it('is a problem of the policy with its place, or a warning where only some versions of Consul refuse it', () => {
    const judge = (filter: string) =>
      validatePolicy(
        { schema: 1, service: 'p', subsets: { lane: { filter }, all: {} }, default: 'all' },
        { service: 'p' },
      );
    expect(judge('Service.Port > 3').problems).toEqual([
      {
        path: 'subsets.lane.filter',
        message:
          'subsets.lane.filter: > at character 14 (expected: ==, !=, contains, matches, is empty, or their not, or in)',
      },
    ]);
    const { problems, warnings } = judge('Service.Meta.lane is empty');
    expect(problems).toEqual([]);
    expect(warnings.map(({ message }) => message)).toContain(
      'subsets.lane.filter: Service.Meta.lane with is empty or is not empty ' +
        '(expected: == or !=, contains or in, matches; Consul 1.8 refuses the expression)',
    );
  });
});
