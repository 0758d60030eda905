import * as grpc from '@grpc/grpc-js';
import { seededRandom } from '../../../src/base/random';
import { type Caller, USER_KEY } from './clients';
import type { WorkloadName } from './scenes';
import { CLIENT_KEY } from './service';
import { CALLS, type Calls, makeCall, type OneCall } from './workloads';

export interface Tally {
  /** Calls that ended since `count()`, and streams that were stopped. */
  readonly made: number;
  readonly lost: number;
}

export interface Load {
  /** From now on it is counted how calls end. */
  count(): void;
  /** Begins no more calls. */
  stop(): void;
  /** Stops the streams that are open, and resolves when every call has ended: what each caller saw. */
  ended(): Promise<ReadonlyMap<string, Tally>>;
}

const TICK_MS = 5;
/** A pause of our own that is longer than this is not made up for: it would come back as a flood. */
const MAKE_UP_MS = 100;
const USERS = 500;

/** What the next call is, for all callers: by chance, as a fixed order would beat with that of the instances. */
interface Drawn {
  readonly calls: Calls;
  readonly hasNews: boolean;
  readonly user: string;
}

/** All callers make the same calls at the same moments; who is first changes from call to call. */
export function startLoad(workload: WorkloadName, callers: readonly Caller[], seed: number): Load {
  const random = seededRandom(seed);
  const tallies = new Map(callers.map(({ name }) => [name, { made: 0, lost: 0 }]));
  const running = new Set<OneCall>();
  let isCounting = false;

  const begin = ({ name, client }: Caller, { calls, hasNews, user }: Drawn): void => {
    const metadata = new grpc.Metadata();
    metadata.set(CLIENT_KEY, name);
    metadata.set(USER_KEY, user);
    const call = makeCall(client, calls, hasNews, metadata);
    running.add(call);
    void call.ended.then((ending) => {
      running.delete(call);
      const tally = tallies.get(name);
      if (!isCounting || tally === undefined) return;
      tally.made += 1;
      if (ending === 'lost') tally.lost += 1;
    });
  };
  const calls = CALLS[workload];
  const perSecond = calls.reduce((sum, each) => sum + each.perSecond, 0);
  let dueAtMs = performance.now();
  let index = 0;
  const timer = setInterval(() => {
    const nowMs = performance.now();
    dueAtMs = Math.max(dueAtMs, nowMs - MAKE_UP_MS);
    for (; dueAtMs <= nowMs; dueAtMs += 1_000 / perSecond) {
      index += 1;
      const user = `user-${Math.floor(random() * USERS)}`;
      const drawn = { calls: draw(calls, perSecond * random()), hasNews: random() < 0.5, user };
      for (let nth = 0; nth < callers.length; nth += 1) begin(callers[(index + nth) % callers.length] as Caller, drawn);
    }
  }, TICK_MS);
  return {
    count: () => {
      isCounting = true;
    },
    stop: () => clearInterval(timer),
    ended: async () => {
      const calls = [...running];
      for (const { stop } of calls) stop();
      await Promise.all(calls.map(({ ended }) => ended));
      return tallies;
    },
  };
}

/** The one in whose part of the calls of a second `at` lies. */
function draw(calls: readonly Calls[], at: number): Calls {
  let rest = at;
  for (const each of calls) {
    if (rest < each.perSecond) return each;
    rest -= each.perSecond;
  }
  return calls[0] as Calls;
}
