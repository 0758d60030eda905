import { systemClock } from '../../base/clock';
import { systemRandom } from '../../base/random';
import { type ControllerWatch, lead, leadAll } from '../../ops/rollout/controller';
import { openLease } from '../../ops/rollout/lease';
import type { MembersContext } from '../../ops/rollout/waves/member';
import { haveEnded } from '../../ops/rollout/waves/progress';
import { reconcileWaves } from '../../ops/rollout/waves/reconcile';
import { type WavesRecord, watchWaves } from '../../ops/rollout/waves/record';
import type { StoreSession } from '../consul/store-session';
import type { CommandIo } from '../io';
import { type ControllerSetUp, createRolloutContext } from './controller-setup';
import { startRefusal } from './start-refusal';
import { describeWaves } from './waves-view';

/** What waves do to the rollouts of their members, in every datacenter. */
export function membersContext(
  session: StoreSession,
  { name, config }: Pick<ControllerSetUp, 'name' | 'config'>,
  { env, interrupted: signal }: Pick<CommandIo, 'env' | 'interrupted'>,
): MembersContext {
  const { connection, policies } = session;
  return {
    contextOf: (datacenter) => {
      const stores = { connection, policies, rollouts: session.rolloutsIn(datacenter) };
      return createRolloutContext(stores, { name, env, config, signal });
    },
    refusalOf: (document, datacenter) => startRefusal(document, datacenter, session),
  };
}

/** Leads all waves of the agent's datacenter, until interrupted. Never rejects. */
export async function leadWaves(session: StoreSession, setUp: ControllerSetUp, io: CommandIo): Promise<void> {
  const { waves, connection } = session;
  const { client } = connection;
  const { interrupted: signal } = io;
  const { name, ttlSeconds } = setUp;
  const lease = openLease({ client, name: 'graylane waves', ttlSeconds });
  const deps = { ...membersContext(session, setUp, io), waves, now: Date.now, name };
  const watch = printing(io);
  try {
    await leadAll({ names: () => waves.names(), watch, signal }, (each) =>
      lead<WavesRecord>({
        ...{ name: each, lease, watch, signal, untilEnded: false, now: Date.now },
        reconcile: (id) => reconcileWaves(each, id, deps),
        isOver: ({ progress }) => haveEnded(progress),
        listen: (onChange) => watchWaves(each, onChange, { client, clock: systemClock, random: systemRandom }),
      }),
    );
  } finally {
    await lease.close();
  }
}

/** Prints each transition as a line. Messages about this controller go to standard error. */
function printing(io: CommandIo): ControllerWatch<WavesRecord> {
  const printed = new Map<string, number>();
  return {
    onRecord(name, { progress, transitions }) {
      const from = printed.get(progress.id);
      printed.set(progress.id, transitions.at(-1)?.number ?? 0);
      if (from === undefined) {
        if (haveEnded(progress)) return;
        io.line(
          `${io.colors.dim(new Date().toISOString())} ${io.colors.bold(`waves ${name}`)} ${describeWaves(progress)}`,
        );
      }
      for (const each of transitions) {
        // What was there before this controller looked is in the history.
        if (from === undefined || each.number <= from) continue;
        io.jsonLine({ waves: name, id: progress.id, ...each });
        const { at, event, wave, member, message } = each;
        const about = [member, message].filter((part) => part !== undefined && part !== '').join('  ');
        const what = io.colors.cyan(event.padEnd(10));
        io.line(`${io.colors.dim(at)} waves ${name} wave ${wave + 1} ${what} ${about}`.trimEnd());
      }
    },
    onRole(name, role, holder) {
      if (role === 'leader') io.note(`graylane: waves ${name}: this controller drives them`);
      else io.note(`graylane: waves ${name}: ${holder} drives them; this controller stands by`);
    },
    onProblem(name, problem) {
      const about = name === '*' ? 'waves' : `waves ${name}`;
      if (problem === undefined) io.note(`graylane: ${about}: goes on`);
      else io.note(`graylane: ${about}: nothing moves: ${problem}; goes on trying`);
    },
  };
}
