import { sleep } from '../../base/sleep';
import type { GradualFigures } from '../../ops/candidate/collector';
import { describeCalls, type GradualSettings, runGradual } from '../../ops/candidate/gradual';
import { policyIndex } from '../../ops/candidate/held-key';
import type { CandidateRun } from '../../ops/candidate/run';
import { parseStored } from '../../ops/store/policy-text';
import { ownValue } from '../../policy/plain-data';
import { CommandError } from '../command';
import type { ConsulFlags } from '../consul/consul-connection';
import type { StoreSession } from '../consul/store-session';
import type { CommandIo } from '../io';
import { isUnchanged, type PlannedChange, type PlannedService } from '../policy/planned-change';
import { changeAsData } from '../policy/show-change';
import type { ListenFlags } from '../rollout/controller-setup';
import { checkReports, onlyChange, openRun } from './open-run';

/** The options of `policy apply` that put a policy in force by degrees. */
export interface GradualFlags extends ListenFlags {
  /** Percent of clients, rising; the last is 100, which is the policy itself. */
  readonly gradual?: readonly number[];
  /** Milliseconds. */
  readonly step?: number;
  /** Percent points. */
  readonly maxExcess?: number;
  readonly minCalls?: number;
}

const REPORT_EVERY_MS = 1_000;
const STEP_MS = 60_000;
const MAX_EXCESS = 1;
const MIN_CALLS = 100;
/** Time for clients to read the policy, before they are told that the candidate is over. */
const HANDOVER_MS = 2_000;

/** Throws a CommandError for flags that do not go together. */
export function checkGradual({ gradual, step, maxExcess, minCalls, ...listen }: GradualFlags): void {
  if (gradual === undefined) {
    const given = {
      ...{ '--step': step, '--max-excess': maxExcess, '--min-calls': minCalls },
      ...{ '--listen': listen.listen, '--advertise': listen.advertise },
    };
    const [flag] = Object.entries(given).find(([, value]) => value !== undefined) ?? [];
    if (flag === undefined) return;
    throw new CommandError(2, `${flag}: given without --gradual (expected: both)`, 'add --gradual 1,10,100');
  }
  if (gradual.at(-1) !== 100 || gradual.length < 2) {
    const message = `--gradual: ${gradual.join(',')} (expected: a share or more, then 100)`;
    throw new CommandError(2, message, 'give a list such as --gradual 1,10,100');
  }
  checkReports(listen);
}

/** A candidate that has passed every share below 100. */
export interface Passed {
  /** For the message of the history. */
  readonly told: string;
  /** Call it after the policy was written. */
  end(): Promise<void>;
}

/**
 * Puts the policy in force in each share of clients, in turn. Resolves to undefined when it was taken back, which it has
 * then shown, with exit code 3.
 */
export async function applyGradually(
  planned: readonly PlannedService[],
  flags: ConsulFlags & GradualFlags & { readonly gradual: readonly number[] },
  session: StoreSession,
  io: CommandIo,
): Promise<Passed | undefined> {
  const change = onlyChange(planned, '--gradual');
  checkChange(change);
  const { gradual, step = STEP_MS, maxExcess = MAX_EXCESS, minCalls = MIN_CALLS, ...rest } = flags;
  checkReports(rest);
  const settings = { steps: gradual.slice(0, -1), stepMs: step, maxExcess, minimumCalls: minCalls };
  const run = await openRun('gradual', REPORT_EVERY_MS, change, rest, session, io);
  const outcome = await watchSteps(settings, run, change, session, io).catch(async (error: unknown) => {
    await run.close();
    throw error;
  });
  if (outcome !== undefined) {
    return {
      told: `by degrees: ${gradual.join(', ')} %`,
      async end() {
        await sleep(HANDOVER_MS);
        await run.close();
      },
    };
  }
  io.exitCode = 3;
  return undefined;
}

function checkChange(change: PlannedChange): void {
  const { service, policy } = change.stored;
  if (isUnchanged(change)) throw new CommandError(1, `${service}: nothing to write, it is the policy in force`);
  if (policy === undefined) {
    throw new CommandError(1, `${service} has no policy that clients could go back to`, 'leave --gradual out');
  }
  if (ownValue(parseStored(change.text), 'tombstone') === true) {
    throw new CommandError(1, `${service}: a tombstone cannot come by degrees`, 'leave --gradual out');
  }
}

async function watchSteps(
  settings: GradualSettings,
  run: CandidateRun,
  { stored, ...change }: PlannedChange,
  { connection: { client } }: StoreSession,
  io: CommandIo,
): Promise<GradualFigures | undefined> {
  const { service, datacenter } = stored;
  const obstacle = async (): Promise<string | undefined> => {
    if ((await policyIndex({ client, service, datacenter })) !== stored.policy?.index) {
      return 'the policy was changed meanwhile';
    }
    return (await run.isHeld()) ? undefined : 'it was ended from elsewhere, or Consul has ended the session';
  };
  const outcome = await runGradual(settings, run, {
    signal: io.interrupted,
    obstacle,
    onStep: ({ percent, clients, ofClients }) =>
      io.line(`${io.colors.cyan('in force')} ${percent} %: ${clients} of ${ofClients} clients`),
  });
  const { figures } = outcome;
  if (outcome.kind === 'passed') {
    io.line(`${io.colors.green('passed')} ${describeCalls(figures)}`);
    return figures;
  }
  const { reason } = outcome;
  io.json({ ...changeAsData({ stored, ...change }), outcome: 'taken back', reason, figures });
  io.note(`graylane: ${io.colors.red('taken back')}, nothing was written: ${reason}`);
  return undefined;
}
