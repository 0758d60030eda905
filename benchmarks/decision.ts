import type { BenchmarkCase } from './harness';

/** What one routing decision costs, by kind of policy. Empty until the policy room has its compiler. */
export function decisionCases(): BenchmarkCase[] {
  return [];
}
