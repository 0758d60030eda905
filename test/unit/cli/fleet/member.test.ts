import { describe, expect, it } from 'vitest';
import { type ClientStatus, judge, type Member, type PolicyStatus } from '../../../../src/cli/fleet/member';

const NEWEST = 'aaaaaaaaaaaa';
const FORMER = 'bbbbbbbbbbbb';

function status(change: Partial<PolicyStatus> = {}): PolicyStatus {
  const history = [
    { number: 1, index: 20 },
    { number: 2, index: 30 },
    { number: 3, index: 40 },
  ];
  const at = { datacenter: 'dc1', isWanted: true, index: 40, revision: NEWEST, number: 3 };
  return { ...at, candidate: undefined, history, ...change };
}

const dc1 = status();
const dc2 = status({
  datacenter: 'dc2',
  index: 25,
  revision: FORMER,
  number: 1,
  history: [{ number: 1, index: 25 }],
});

function client(change: Partial<ClientStatus> = {}): ClientStatus {
  const process = 'job/host:1';
  return {
    process,
    client: 'l',
    service: 's',
    index: 40,
    rejectedIndex: 0,
    revision: NEWEST,
    watches: ['dc1'],
    ageMs: 0,
    ...change,
  };
}

function verdict(of: Partial<ClientStatus>, statuses: readonly PolicyStatus[] = [dc1, dc2]): string {
  const member: Member | undefined = judge(client(of), statuses);
  if (member === undefined) return 'not asked about';
  const { state, datacenter = '-', number = '-', reason, why } = member;
  return [state, datacenter, number, reason, why].filter((part) => part !== undefined).join(' ');
}

describe('a process', () => {
  it('follows by index and revision together, whoever else has either', () => {
    expect(verdict({})).toBe('follows dc1 3');
    expect(verdict({ index: 25, revision: FORMER })).toBe('follows dc2 1');
    // What another datacenter still has is no excuse.
    expect(verdict({ index: 30, revision: FORMER })).toBe('behind dc1 2 late 1 change behind');
    expect(verdict({ index: 20, revision: FORMER })).toBe('behind dc1 1 late 2 changes behind');
    expect(verdict({ index: 33 })).toBe('behind - - late goes by index 33, which is in no history');
  });

  it('goes by the policy that comes by degrees, where that is what it has', () => {
    const candidate = { revision: 'cccccccccccc', percent: 10, by: 'alice' };
    const onTheWay = [status({ candidate }), dc2];
    const has = { index: 50, revision: candidate.revision };
    expect(verdict(has, onTheWay)).toBe('candidate dc1 - first in 10 % of the clients, by alice');
    expect(verdict({}, onTheWay)).toBe('follows dc1 3');
    expect(verdict({ index: 30, revision: FORMER }, onTheWay)).toBe('behind dc1 2 late 1 change behind');
    expect(verdict(has, [{ ...status({ candidate }), isWanted: false }])).toBe('not asked about');
    expect(verdict(has)).toContain('behind');
    // Once it is stored, too, every process that has it follows.
    expect(verdict({ revision: candidate.revision }, [status({ candidate, revision: candidate.revision })])).toBe(
      'follows dc1 3',
    );
  });

  it('is not asked about when it reads a datacenter that is not', () => {
    const unasked = { ...dc2, isWanted: false };
    expect(verdict({ index: 25, revision: FORMER }, [dc1, unasked])).toBe('not asked about');
    const newer = status({ ...unasked, index: 50, number: 2, history: [...dc2.history, { number: 2, index: 50 }] });
    expect(verdict({ index: 25, revision: FORMER }, [dc1, newer])).toBe('not asked about');
    expect(verdict({ index: 25, revision: FORMER, rejectedIndex: 50 }, [dc1, newer])).toBe('not asked about');
  });

  it('is behind for the reason that weighs most', () => {
    const former = { index: 30, revision: FORMER };
    const stale = { reason: 'stale', details: 'has not heard from dc1 for 9s' } as const;
    expect(verdict({ ...former, rejectedIndex: 40, refusal: 'default: x', trouble: stale })).toBe(
      'behind dc1 2 rejected refused number 3: default: x',
    );
    // One refused earlier is over.
    expect(verdict({ ...former, rejectedIndex: 20 })).toBe('behind dc1 2 late 1 change behind');
    expect(verdict({ ...former, trouble: stale })).toBe(
      'behind dc1 2 stale has not heard from dc1 for 9s; 1 change behind',
    );
    // It may be so while it is up to date.
    expect(verdict({ trouble: stale })).toBe('follows dc1 3');
    const down = { reason: 'unreachable', details: 'ECONNREFUSED' } as const;
    expect(verdict({ trouble: down })).toMatch(/^behind dc1 3 unreachable ECONNREFUSED/);
  });

  it('without a policy follows where there is none, if it has heard so', () => {
    const without = status({ index: 0, revision: 'none', number: undefined, history: [] });
    const none = { index: 0, revision: 'none' };
    expect(verdict(none, [without])).toBe('follows dc1 -');
    expect(verdict(none, [status({ revision: 'none' })])).toBe('follows dc1 3');
    expect(verdict(none)).toBe('behind - - late goes by no policy');
    const silent = { reason: 'silent', details: 'has heard nothing from dc1' } as const;
    expect(verdict({ ...none, trouble: silent }, [without])).toMatch(/^behind - - silent has heard nothing from dc1/);
    // What was remembered from the last run may well be the newest.
    expect(verdict({ trouble: silent })).toBe('follows dc1 3');
    // Of two datacenters it has none of its own's.
    const other = { ...without, datacenter: 'dc2', isWanted: false };
    expect(verdict(none, [dc1, other])).toBe('behind - - late goes by no policy');
    expect(verdict({ ...none, watches: ['dc2'] }, [dc1, other])).toBe('not asked about');
  });

  it('may go by one that was deleted, or by one of its own', () => {
    const deleted = status({ index: 0, revision: 'none', number: undefined });
    expect(verdict({}, [deleted])).toBe('behind dc1 3 late goes by one that was deleted');
    expect(verdict({ index: 0 })).toMatch(/^own - - a policy of its own/);
    const never = status({ index: 0, revision: 'none', number: undefined, history: [] });
    expect(verdict({}, [never])).toMatch(/^own - - not from the KV store/);
  });
});
