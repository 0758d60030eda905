import type { Candidate } from '../../base/candidate';
import { defined } from '../../base/defined';
import { GraylaneError } from '../../base/errors';
import { type CandidateRun, openCandidateRun } from '../../ops/candidate/run';
import { parseStored } from '../../ops/store/policy-text';
import { signText } from '../../ops/store/signing';
import { CommandError, codeOf } from '../command';
import { type ConsulFlags, readSigning } from '../consul/consul-connection';
import { consulNextStep } from '../consul/next-step';
import { nameOf, type StoreSession } from '../consul/store-session';
import type { CommandIo } from '../io';
import type { PlannedChange, PlannedService } from '../policy/planned-change';
import { checkListen, type ListenFlags } from '../rollout/controller-setup';

/** Throws a CommandError unless clients can be told where to report. */
export function checkReports(flags: ListenFlags): asserts flags is ListenFlags & Required<Pick<ListenFlags, 'listen'>> {
  if (flags.listen === undefined) {
    const message = '--listen: missing (expected: HOST:PORT of this machine that clients reach, for their reports)';
    throw new CommandError(2, message, 'add --listen 10.0.0.7:9464');
  }
  checkListen(flags);
}

/** The one change of the one service that a candidate is for. Throws a CommandError. */
export function onlyChange(planned: readonly PlannedService[], flag: string): PlannedChange {
  const [service] = planned;
  const [change] = service?.changes ?? [];
  if (service === undefined || change === undefined || planned.length > 1 || service.changes.length > 1) {
    const message = `${flag}: several policies (expected: one service in one datacenter)`;
    throw new CommandError(2, message, 'name one file, and one datacenter with --dc');
  }
  const [failure] = service.failures;
  if (failure !== undefined) throw new CommandError(2, `${nameOf(failure.datacenter)}: ${failure.failure}`);
  return change;
}

/**
 * Listens for reports, with the policy as `policy apply` would write it, signed where it signs. Throws a CommandError
 * when the policy may not be written, or the address cannot be used.
 */
export async function openRun(
  kind: Candidate['kind'],
  everyMs: number,
  { stored, text }: PlannedChange,
  flags: ConsulFlags & ListenFlags & Required<Pick<ListenFlags, 'listen'>>,
  session: StoreSession,
  io: CommandIo,
): Promise<CandidateRun> {
  const signed = signText(text, stored.policy?.text, await readSigning(flags, io), new Date());
  if ('refused' in signed) throw new CommandError(1, `refused: ${signed.refused}`);
  const { listen, advertise } = flags;
  if (io.interrupted.aborted) throw new CommandError(1, 'interrupted');
  try {
    const run = await openCandidateRun({
      place: { client: session.connection.client, service: stored.service, datacenter: stored.datacenter },
      ...{ kind, everyMs, ...listen, ...defined({ advertise }) },
      by: await session.author(),
      base: stored.policy?.index,
      document: parseStored(signed.text) as object,
    });
    io.note(`graylane: listens at ${run.address}${advertise === undefined ? '' : `; clients are told ${advertise}`}`);
    return run;
  } catch (error) {
    if (GraylaneError.is(error)) {
      throw new CommandError(2, error.message, consulNextStep(error.message));
    }
    const place = `${listen.host}:${listen.port}`;
    const message = `--listen: ${place}: ${codeOf(error)} (expected: a free address of this host)`;
    throw new CommandError(2, message, 'choose another');
  }
}

/** Another command has a candidate of this service. */
export function heldByOther({ kind, by, untilMs }: Candidate, service: string): CommandError {
  const what = kind === 'trial' ? 'a trial' : 'a policy in by degrees';
  const message = `${service} has ${what} of ${by} until ${new Date(untilMs).toISOString()}`;
  return new CommandError(1, message, 'wait for its end, or end it where it runs');
}
