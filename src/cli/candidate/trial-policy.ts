import { MAX_CANDIDATE_MS } from '../../base/candidate';
import { sleep } from '../../base/sleep';
import type { ReportingClients, TrialFigures, TrialFlow } from '../../ops/candidate/collector';
import { policyIndex } from '../../ops/candidate/held-key';
import type { CandidateRun } from '../../ops/candidate/run';
import { CommandError } from '../command';
import type { ConsulFlags } from '../consul/consul-connection';
import { orFailure, type StoreSession, withStore } from '../consul/store-session';
import { counted, formatDuration, sumOf } from '../describe';
import type { CommandIo } from '../io';
import { isUnchanged, type PlannedChange, planService } from '../policy/planned-change';
import { showChange } from '../policy/show-change';
import { readValidPolicies } from '../policy-files';
import type { ListenFlags } from '../rollout/controller-setup';
import { checkReports, heldByOther, onlyChange, openRun } from './open-run';

interface TrialFlags extends ConsulFlags, ListenFlags {
  /** Milliseconds. */
  readonly for: number;
}

const REPORT_EVERY_MS = 5_000;
const SHORTEST_EVERY_MS = 1_000;
/** Time for the last reports of clients, after the end of the trial. */
const SETTLE_MS = 3_000;

/** `policy trial`. */
export async function trialPolicy(file: string, flags: TrialFlags, io: CommandIo): Promise<void> {
  checkReports(flags);
  if (flags.for > MAX_CANDIDATE_MS) throw new CommandError(2, '--for: too long (expected: at most 24h)');
  const valid = await readValidPolicies([file], io);
  await withStore(flags, io, async (session) => {
    const planned = await Promise.all(valid.map((each) => planService(each, session, undefined)));
    const change = onlyChange(planned, 'policy trial');
    const { service } = change.stored;
    showChange(change, io);
    if (isUnchanged(change)) throw new CommandError(1, `${service}: nothing to try, it is the policy in force`);
    const everyMs = Math.max(SHORTEST_EVERY_MS, Math.min(REPORT_EVERY_MS, flags.for / 4));
    const run = await openRun('trial', everyMs, change, flags, session, io);
    try {
      const lastedMs = await runTrial(run, service, flags.for, io);
      await checkBase(change, session, io);
      await present(service, lastedMs, run, io);
    } finally {
      await run.close();
    }
  });
}

/** What is told of a trial is against the policy that was in force when it began. */
async function checkBase({ stored }: PlannedChange, { connection }: StoreSession, io: CommandIo): Promise<void> {
  const { service, datacenter, policy } = stored;
  const now = await orFailure(policyIndex({ client: connection.client, service, datacenter }));
  if (typeof now === 'object' || now === policy?.index) return;
  io.exitCode = 1;
  io.note('graylane: the policy was changed meanwhile: what follows was counted against more than one');
}

/** Resolves to how long it lasted. */
async function runTrial(run: CandidateRun, service: string, forMs: number, io: CommandIo): Promise<number> {
  const sinceMs = performance.now();
  const announce = async (untilMs: number): Promise<void> => {
    const other = await run.announce({ untilMs, below: 0, percent: 0 });
    if (other !== undefined) throw heldByOther(other, service);
  };
  await announce(Date.now() + forMs);
  await sleep(forMs, io.interrupted);
  const lastedMs = performance.now() - sinceMs;
  if (io.interrupted.aborted) {
    io.note('graylane: interrupted; what follows was counted until now');
    await announce(Date.now());
  }
  await sleep(SETTLE_MS);
  return lastedMs;
}

async function present(service: string, lastedMs: number, { collector }: CandidateRun, io: CommandIo): Promise<void> {
  const clients = collector.clients();
  const figures = collector.trial();
  const calls = sumOf(figures.flows.map((flow) => flow.calls));
  const moved = sumOf(figures.flows.filter(({ isMoved }) => isMoved).map((flow) => flow.calls));
  const nobody = sumOf(figures.flows.map((flow) => flow.nobody));
  const nobodyNow = sumOf(figures.flows.map((flow) => flow.nobodyNow));
  const { counting, refused, waiting } = clients.counts;
  if (counting === 0 || refused + waiting > 0 || nobody > nobodyNow) io.exitCode = 1;
  io.json({ service, lastedMs: Math.round(lastedMs), clients, calls, moved, nobody, nobodyNow, ...figures });
  noteClients(service, clients, io);
  if (counting === 0) return;
  const { bold, green, red } = io.colors;
  io.line(`${bold(service)}: ${counted(counting, 'client')}, ${counted(calls, 'call')} in ${formatDuration(lastedMs)}`);
  io.line(
    `${bold('would move')} ${moved} of ${counted(calls, 'call')} ${percentOf(moved, calls)}${callersIn(figures)}`,
  );
  const found = `${counted(nobody, 'call')} ${percentOf(nobody, calls)}; now ${nobodyNow}`;
  io.line(`${nobody > nobodyNow ? red('would find nobody') : green('would find nobody')} ${found}`);
  await showFlows(figures.flows, calls, io);
}

function callersIn({ callers, movedCallers }: TrialFigures): string {
  return callers === 0
    ? ''
    : `, about ${movedCallers} of ${callers} sticky callers ${percentOf(movedCallers, callers)}`;
}

function showFlows(flows: readonly TrialFlow[], all: number, io: CommandIo): Promise<void> {
  const { yellow, red } = io.colors;
  return io.table(
    [...flows].sort((a, b) => Number(b.isMoved) - Number(a.isMoved) || b.calls - a.calls),
    {
      '': ({ isMoved }) => (isMoved ? yellow('moves') : 'stays'),
      from: ({ from }) => `${from.route}: ${from.destination}`,
      to: ({ to }) => `${to.route}: ${to.destination}`,
      calls: ({ calls }) => `${calls} ${percentOf(calls, all)}`,
      callers: ({ isMoved, callers }) => (isMoved && callers !== undefined && callers > 0 ? callers : undefined),
      nobody: ({ nobody }) => (nobody > 0 ? red(String(nobody)) : undefined),
    },
  );
}

function noteClients(service: string, { counts, reasons }: ReportingClients, io: CommandIo): void {
  const { counting, refused, waiting, apart } = counts;
  if (counting + refused + waiting + apart === 0) {
    io.note(
      `graylane: no client of ${service} reported (expected: clients with reportRolloutMetrics: true that may read ` +
        `graylane/candidates/${service} and reach this command)`,
    );
  }
  if (refused > 0) io.note(`graylane: ${counted(refused, 'client')} would refuse it: ${reasons.refused.join('; ')}`);
  if (waiting > 0) io.note(`graylane: ${counted(waiting, 'client')} could not tell: ${reasons.waiting.join('; ')}`);
  if (apart > 0) io.note(`graylane: ${counted(apart, 'client')} have a policy of their own, from code or a file`);
}

function percentOf(part: number, all: number): string {
  return all === 0 ? '' : `(${((part / all) * 100).toFixed(1)} %)`;
}
