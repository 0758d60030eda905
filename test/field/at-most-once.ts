import { expect, it } from 'vitest';
import { printFact } from '../support/figure';
import { sliceOf } from '../support/slice';
import { describeLost, endure, type Ordeal, type OrdealResult } from './killed-instances';
import { type LedgerMethod, UNMARKED } from './ledger';

export interface Size {
  readonly calls: number;
  readonly kills: number;
  readonly restarts: number;
  /** Where calls may run again. */
  readonly permittedKills: number;
  readonly limitMs: number;
}

const MAX_ATTEMPTS = 3;
const NO_WORD = {};
const RETRY: Ordeal['policy'] = { retry: { maxAttempts: MAX_ATTEMPTS } };
const MARKED: readonly LedgerMethod[] = ['RecordAgain', 'Read'];
/** Long enough for a kill to find several calls between their work and their answer. */
const WORK_MS = 60;

interface Permission {
  readonly name: string;
  readonly policy: Ordeal['policy'];
  /** Methods that may run again. */
  readonly permitted: readonly LedgerMethod[];
  /** Methods of the same service, called beside them, of which nobody said so. */
  readonly others: readonly LedgerMethod[];
}

/** Whose word it may be that a call runs again. */
const PERMISSIONS: readonly Permission[] = [
  { name: '`retry` in the policy', policy: RETRY, permitted: ['Record'], others: [] },
  { name: 'the idempotency level of the method', policy: NO_WORD, permitted: MARKED, others: ['Record'] },
  {
    name: '`idempotent` with the method in the policy',
    policy: idempotent('/field.v1.Ledger/Record'),
    permitted: ['Record'],
    others: ['RecordMany'],
  },
  {
    name: '`idempotent` with the service in the policy',
    policy: idempotent('/field.v1.Ledger/'),
    permitted: ['Record'],
    others: [],
  },
];

function idempotent(method: string): Ordeal['policy'] {
  return { idempotent: [method] };
}

export function testAtMostOnce({ calls, kills, restarts, permittedKills, limitMs }: Size): void {
  const kill = { disturbance: 'kill', times: kills, calls, settings: { workMs: WORK_MS } } as const;

  it(
    'without a word on retries no call runs twice when its server is killed after the work',
    async () => {
      const result = await endure({ ...kill, methods: UNMARKED, policy: NO_WORD });
      tell(`${kills} kills, no word on retries`, result);
      expect(result.repeated).toEqual([]);
      expect(result.uncounted).toBe(0);
      expect(result.made).toBeGreaterThanOrEqual(calls);
      // A test in which no kill met a call between its work and its answer would show nothing.
      expect(result.lost.some(({ executions }) => executions === 1)).toBe(true);
    },
    limitMs,
  );

  it(
    'without a word on retries no call runs twice when its server answers UNAVAILABLE after the work',
    async () => {
      const result = await endure({
        disturbance: 'kill',
        times: 0,
        calls,
        methods: UNMARKED,
        policy: NO_WORD,
        settings: { workMs: 1, fails: true },
      });
      tell('UNAVAILABLE after the work, no word on retries', result);
      expect(result.repeated).toEqual([]);
      expect(result.lost.filter(({ executions }) => executions !== 1)).toEqual([]);
      expect(result.lost.length).toBe(result.made);
    },
    limitMs,
  );

  it(
    'without a word on retries no call is lost when servers are restarted gracefully, and each runs once',
    async () => {
      const result = await endure({
        ...kill,
        disturbance: 'restart',
        times: restarts,
        methods: UNMARKED,
        policy: NO_WORD,
      });
      tell(`${restarts} graceful restarts, no word on retries`, result);
      expect(describeLost(result.lost)).toBe('');
      expect(result.repeated).toEqual([]);
      expect(result.uncounted).toBe(0);
    },
    limitMs,
  );

  for (const { name, policy, permitted, others } of sliceOf(PERMISSIONS, 2)) {
    it(
      `with ${name} no call is lost when servers are killed`,
      async () => {
        const isPermitted = (id: string): boolean => permitted.some((method) => id.startsWith(`${method}-`));
        const result = await endure({ ...kill, times: permittedKills, methods: [...permitted, ...others], policy });
        tell(`${permittedKills} kills, ${name}`, result);
        expect(describeLost(result.lost.filter(({ id }) => isPermitted(id)))).toBe('');
        expect(result.mostExecutions).toBeLessThanOrEqual(MAX_ATTEMPTS);
        expect(result.repeated.length).toBeGreaterThan(0);
        expect(result.repeated.filter(([id]) => !isPermitted(id))).toEqual([]);
      },
      limitMs,
    );
  }
}

function tell(name: string, { made, lost, repeated, mostExecutions }: OrdealResult): void {
  printFact(
    name,
    `${made} calls, ${lost.length} lost, ${repeated.length} run more than once (${mostExecutions} times at most)` +
      (lost.length === 0 ? '' : `\n${describeLost(lost)}`),
  );
}
