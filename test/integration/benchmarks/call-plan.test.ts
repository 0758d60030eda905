import { describe, expect, it } from 'vitest';
import { planCalls } from '../../../benchmarks/call/plan';

describe('benchmarks/call.ts, its flags', () => {
  it('measures everything by default', () => {
    const { scenarios, variants, rounds, processes, isProfiled } = planCalls([]);
    expect(scenarios.map(({ name }) => name)).toEqual([
      'unary, 1 at a time',
      'unary, 32 at a time',
      'unary, 128 at a time',
      'stream of 10 messages, 1 at a time',
      'stream of 10 messages, 32 at a time',
      'stream of 10 messages, 128 at a time',
    ]);
    expect(variants[0]).toBe('round_robin');
    expect(variants).toContain('everything');
    expect(rounds).toBeGreaterThanOrEqual(30);
    expect({ processes, isProfiled }).toEqual({ processes: 1, isProfiled: false });
  });

  it('measures one piece, with the reference always in it', () => {
    const { scenarios, variants, rounds } = planCalls([
      ...['--kind', 'unary', '--concurrency', '16', '--variants', 'spans,instrumented', '--rounds', '5'],
    ]);
    expect(scenarios.map(({ batch }) => batch)).toEqual([{ kind: 'unary', calls: 2_000, concurrency: 16 }]);
    expect(variants).toEqual(['round_robin', 'instrumented', 'spans']);
    expect(rounds).toBe(5);
  });

  it.each([
    [['--variants', 'grpylane'], '--variants: grpylane (expected: some of round_robin,'],
    [['--kind', 'bidi'], '--kind: bidi (expected: some of unary,stream)'],
    [['--concurrency', '1,none'], '--concurrency: none (expected: whole numbers >= 1)'],
    [['--processes', '1.5'], '--processes: 1.5 (expected: whole numbers >= 1)'],
    [['--rounds', '0'], '--rounds: 0 (expected: whole numbers >= 1)'],
  ])('refuses %j', (args, message) => {
    expect(() => planCalls(args)).toThrow(message);
  });
});
