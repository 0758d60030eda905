import { setTimeout as sleep } from 'node:timers/promises';
import type { Fleet } from './fleet';
import type { CallRecord, Traffic } from './traffic';
import { DATACENTERS, type World } from './world';

/** What the rollout left in the policy's history. */
interface TakenBack {
  readonly author: string;
  readonly reason: string;
  /** The canary's weight, as it went. */
  readonly weights: readonly number[];
}

/** What a step has to work with. */
export interface Stage {
  readonly world: World;
  readonly fleet: Fleet;
  readonly traffic: Traffic;
  /** The canary's weight now, for the table. */
  weightPercent: number;
  /** Set by the rollout. */
  takenBack: TakenBack | undefined;
  readonly splits: { readonly weightPercent: number; readonly observedPercent: number }[];
}

export interface Step {
  readonly name: string;
  readonly title: string;
  run(stage: Stage): Promise<StepFinding>;
}

/** Whether a step did what it shows. Lost calls are counted by whoever runs it. */
export interface StepFinding {
  readonly holds: boolean;
  readonly detail: string;
  /** From the change to the first call, or the last that was not yet, as it should be. */
  readonly settleMs: number;
}

const [LOCAL, REMOTE] = DATACENTERS;
const VICTIM = `${LOCAL}-stable-1`;
const WAIT_LIMIT_MS = 5_000;

export const STEPS: readonly Step[] = [
  { name: 'gray', title: 'calls with x-gray: canary land on the canary', run: showGray },
  { name: 'split', title: 'the canary goes from 5 to 50 % while calls run', run: moveSplit },
  { name: 'kill', title: `an instance is killed (${VICTIM})`, run: killInstance },
  { name: 'canary-failing', title: 'every canary fails its calls, and is cured', run: failCanary },
  { name: 'datacenter-lost', title: `everything in ${LOCAL} is killed`, run: loseDatacenter },
  { name: 'datacenter-back', title: `${LOCAL} comes back`, run: bringBack },
];

async function showGray({ traffic }: Stage): Promise<StepFinding> {
  const beganAtMs = performance.now();
  await sleep(2_500);
  const gray = traffic.since(beganAtMs).filter((record) => record.isGray);
  const canary = gray.filter(isCanary).length;
  return {
    holds: gray.length >= 20 && canary === gray.length,
    detail: `${canary} of ${gray.length} gray calls on the canary`,
    settleMs: 0,
  };
}

async function moveSplit(stage: Stage): Promise<StepFinding> {
  const { traffic, world } = stage;
  const before = observe(stage, traffic.records);
  const converts = new Set(before.calls.filter(isCanary).map((record) => record.user));
  const revisions = new Set(traffic.records.map(revisionOf));

  const writtenAtMs = performance.now();
  await world.writePolicy(50);
  stage.weightPercent = 50;
  const isNew = (record: CallRecord): boolean => revisionOf(record) !== undefined && !revisions.has(revisionOf(record));
  const first = await until(() => traffic.since(writtenAtMs).find(isNew));
  await sleep(3_000);
  const after = observe(stage, traffic.since(writtenAtMs).filter(isNew));
  const back = after.calls.filter((record) => converts.has(record.user) && !isCanary(record)).length;
  return {
    holds: first !== undefined && isNear(before) && isNear(after) && back === 0,
    detail: `${before.percent} % -> ${after.percent} %; ${back === 0 ? 'none' : back} of ${converts.size} canary users left it`,
    settleMs: (first?.startedAtMs ?? Number.NaN) - writtenAtMs,
  };
}

async function killInstance({ traffic, fleet }: Stage): Promise<StepFinding> {
  const killedAtMs = performance.now();
  fleet.kill(VICTIM);
  await sleep(2_500);
  const calls = traffic.since(killedAtMs);
  const retried = calls.filter((record) => attemptsOn(record, isVictim).length > 0);
  const settledAtMs = lastEnd(retried) ?? killedAtMs;
  const late = traffic.since(settledAtMs).filter((record) => record.reply?.servedBy === VICTIM).length;
  return {
    holds: calls.length > 100 && late === 0 && settledAtMs - killedAtMs < 1_500,
    detail: `${calls.length} calls went to the others`,
    settleMs: settledAtMs - killedAtMs,
  };
}

async function failCanary({ traffic, fleet, world }: Stage): Promise<StepFinding> {
  const canaries = fleet.instances.filter(({ version }) => version === 'canary');
  traffic.setTesting(false);
  // Calls of testers that are out have no fallback.
  await sleep(200);
  const failedAtMs = performance.now();
  for (const { id } of canaries) fleet.setFailing(id, 1);
  await sleep(3_000);
  const open = world.graylane.breakers.list().filter(({ state }) => state !== 'closed').length;
  const served = traffic.since(failedAtMs).filter((record) => record.reply?.version === 'stable').length;
  const curedAtMs = performance.now();
  for (const { id } of canaries) fleet.setFailing(id, 0);
  const first = await until(() => traffic.since(curedAtMs).find(isCanary));
  await sleep(1_500);
  traffic.setTesting(true);
  return {
    holds: open > 0 && served > 100 && first !== undefined,
    detail: `${open} breakers opened, stable served ${served} calls`,
    settleMs: (first?.endedAtMs ?? Number.NaN) - curedAtMs,
  };
}

async function loseDatacenter({ traffic, fleet }: Stage): Promise<StepFinding> {
  const killedAtMs = performance.now();
  for (const { id, isAlive } of fleet.in(LOCAL)) if (isAlive) fleet.kill(id);
  await sleep(3_000);
  const calls = traffic.since(killedAtMs);
  const touched = calls.filter((record) => attemptsOn(record, (at) => at.datacenter === LOCAL).length > 0);
  const settledAtMs = lastEnd(touched) ?? killedAtMs;
  const served = calls.filter((record) => record.reply?.datacenter === REMOTE).length;
  return {
    holds: served > 100 && settledAtMs - killedAtMs < 2_000,
    detail: `${served} of ${calls.length} calls answered by ${REMOTE}`,
    settleMs: settledAtMs - killedAtMs,
  };
}

async function bringBack({ traffic, fleet, world }: Stage): Promise<StepFinding> {
  const revived = await Promise.all(fleet.in(LOCAL).map(({ id }) => fleet.revive(id)));
  const announcedAtMs = performance.now();
  for (const instance of revived) await world.announce(instance);
  const isLocal = (record: CallRecord): boolean => record.reply?.datacenter === LOCAL;
  const first = await until(() => traffic.since(announcedAtMs).find(isLocal));
  // The share of a datacenter that comes back grows by a tenth a second.
  await sleep(11_500);
  const lastSecondAtMs = performance.now();
  await sleep(1_000);
  const calls = traffic.since(lastSecondAtMs);
  const local = calls.filter(isLocal);
  const servers = new Set(local.map((record) => record.reply?.servedBy));
  return {
    holds: first !== undefined && calls.length > 50 && local.length === calls.length && servers.size === revived.length,
    detail: `${local.length} of ${calls.length} calls at home again, on all ${servers.size}`,
    settleMs: (first?.startedAtMs ?? Number.NaN) - announcedAtMs,
  };
}

interface Observed {
  readonly calls: readonly CallRecord[];
  readonly weightPercent: number;
  readonly percent: number;
}

/** The canary's share of the calls that are not gray. */
function observe(stage: Stage, records: readonly CallRecord[]): Observed {
  const calls = records.filter((record) => !record.isGray && record.reply !== undefined);
  const percent = Math.round((calls.filter(isCanary).length / calls.length) * 1_000) / 10;
  stage.splits.push({ weightPercent: stage.weightPercent, observedPercent: percent });
  return { calls, weightPercent: stage.weightPercent, percent };
}

/** Within 4.5 standard deviations, of the calls drawn and of the users that draw them. */
function isNear({ calls, weightPercent, percent }: Observed): boolean {
  const users = new Set(calls.map((record) => record.user)).size;
  const share = weightPercent / 100;
  const deviation = Math.sqrt(share * (1 - share) * (1 / calls.length + 1 / users));
  return Math.abs(percent / 100 - share) <= 4.5 * deviation;
}

type Attempt = NonNullable<CallRecord['report']>['attempts'][number];

function attemptsOn(record: CallRecord, isOne: (attempt: Attempt) => boolean): readonly Attempt[] {
  return record.report?.attempts.filter(isOne) ?? [];
}

function isVictim(attempt: Attempt): boolean {
  return attempt.instance === VICTIM;
}

function isCanary(record: CallRecord): boolean {
  return record.reply?.version === 'canary';
}

function revisionOf(record: CallRecord): string | undefined {
  return record.report?.decision?.revision;
}

function lastEnd(records: readonly CallRecord[]): number | undefined {
  return records.length === 0 ? undefined : Math.max(...records.map((record) => record.endedAtMs));
}

async function until<T>(find: () => T | undefined): Promise<T | undefined> {
  const deadline = performance.now() + WAIT_LIMIT_MS;
  for (;;) {
    const found = find();
    if (found !== undefined || performance.now() > deadline) return found;
    await sleep(10);
  }
}
