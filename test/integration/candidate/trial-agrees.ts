import { expect } from 'vitest';
import { printFact } from '../../support/figure';
import { graylane, graylaneJson } from '../cli/built-command';
import { serve } from '../rollout/collector/figures-world';
import type { RolloutWorld } from '../rollout/rollout-world';
import { type FromCaller, startCallers } from './caller-processes';
import { policyFile, stickyPolicy } from './trial-world';

interface Trial {
  readonly clients: { readonly counts: Readonly<Record<string, number>> };
  readonly calls: number;
  readonly moved: number;
  readonly nobody: number;
  readonly callers: number;
  readonly movedCallers: number;
  readonly flows: readonly {
    readonly from: { readonly destination: string };
    readonly to: { readonly destination: string };
    readonly calls: number;
  }[];
}

/**
 * A trial over so many processes under load, then the same policy applied: what the trial said becomes true within one
 * in a hundred.
 */
export async function trialAgrees(
  world: RolloutWorld,
  { processes, seconds, users, perSecond }: Record<'processes' | 'seconds' | 'users' | 'perSecond', number>,
): Promise<void> {
  const { address } = world.consul.dc('dc1');
  const env = { CONSUL_HTTP_ADDR: address };
  await serve(world, 'payments');
  const now = await graylane(['policy', 'apply', policyFile(stickyPolicy(5)), '-m', 'begin', '--force'], { env });
  expect([now.code, now.stderr]).toEqual([0, expect.any(String)]);
  const callers = await startCallers(processes, { consul: address, service: 'payments', clients: 1, users, perSecond });
  await callers.look();
  const next = policyFile(stickyPolicy(25));
  const args = ['policy', 'trial', next, '--for', `${seconds}s`, '--listen', '127.0.0.1:0'];
  const { json: trial, code, stderr } = await graylaneJson<Trial>(args, { env });
  const before = await callers.look();
  expect([code, trial.clients.counts['counting'], stderr]).toEqual([0, processes, expect.any(String)]);
  // Nothing has moved.
  expect(before.seen.every(({ revisions }) => revisions.length === 1)).toBe(true);

  const applied = await graylane(['policy', 'apply', next, '-m', 'to 25', '--force'], { env });
  expect(applied.code).toBe(0);
  await expect.poll(async () => revisionsOf(await callers.look()), { timeout: 10_000 }).toBe(1);
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  const after = await callers.look();

  const toldShare = shareTo('canary', trial);
  const share = callsTo('canary', after) / callsTo(undefined, after);
  const known = Object.keys(before.subsetOfUser);
  const moved = known.filter(
    (user) => before.subsetOfUser[user] !== (after.subsetOfUser[user] ?? before.subsetOfUser[user]),
  );
  printFact(
    'policy trial',
    `${processes} processes, ${trial.calls} calls: canary ${percent(toldShare)} told, ${percent(share)} after apply; ` +
      `moved callers ${trial.movedCallers} of ${trial.callers} told, ${moved.length} of ${known.length} after apply`,
  );
  expect(Math.abs(toldShare - share)).toBeLessThan(0.01);
  expect(Math.abs(trial.callers - known.length) / known.length).toBeLessThan(0.025);
  expect(Math.abs(trial.movedCallers / trial.callers - moved.length / known.length)).toBeLessThan(0.01);
  expect(trial.nobody).toBe(0);
}

function shareTo(subset: string, { flows, calls }: Trial): number {
  return flows.filter(({ to }) => to.destination === subset).reduce((sum, flow) => sum + flow.calls, 0) / calls;
}

function callsTo(subset: string | undefined, { seen }: FromCaller): number {
  return seen
    .flatMap(({ subsets }) => Object.entries(subsets))
    .filter(([name]) => subset === undefined || name === subset)
    .reduce((sum, [, calls]) => sum + calls, 0);
}

function revisionsOf({ seen }: FromCaller): number {
  return new Set(seen.flatMap(({ revisions }) => revisions)).size;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(2)} %`;
}
