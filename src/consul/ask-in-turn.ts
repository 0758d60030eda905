import type { Clock, Timer } from '../base/clock';
import type { AgentPool, PooledAgent } from './agent-pool';
import type { Asked, AskOptions, ConsulAnswer, ConsulRequest } from './client';

export interface AskInTurnDeps {
  readonly pool: AgentPool;
  readonly clock: Clock;
  readonly ask: (agent: PooledAgent, request: ConsulRequest, how: AskOptions) => Promise<Asked>;
}

/** An agent that has not begun to answer by now is not waited for alone. */
export const PATIENCE_MS = 500;

interface Turn {
  readonly agent: PooledAgent;
  readonly abort: AbortController;
  readonly beganAtMs: number;
  isAnswering: boolean;
}

/**
 * A read that every agent answers at once: the next agent is asked as soon as one fails, or has not begun to answer after 500 ms.
 * The first usable answer counts. An agent that let another one overtake it hangs; where none answers, nothing is known against
 * any of them: the datacenter that they were asked about may be frozen. Never rejects.
 */
export function askInTurn(request: ConsulRequest, { pool, clock, ask }: AskInTurnDeps): Promise<ConsulAnswer> {
  const { signal } = request;
  const order = pool.order();
  const untilMs = clock.now() + request.timeLimitMs;
  const running = new Set<Turn>();
  let next = 0;
  let timer: Timer | undefined;
  let last: ConsulAnswer | undefined;

  return new Promise((resolve) => {
    const settle = (answer: ConsulAnswer): void => {
      timer?.cancel();
      signal?.removeEventListener('abort', endAll);
      resolve(answer);
    };
    const endAll = (): void => {
      for (const { abort } of running) abort.abort();
    };

    const begin = (): void => {
      const agent = order[next];
      timer?.cancel();
      timer = undefined;
      if (agent === undefined || signal?.aborted === true) return;
      next += 1;
      const turn: Turn = { agent, abort: new AbortController(), beganAtMs: clock.now(), isAnswering: false };
      running.add(turn);
      if (next < order.length) timer = clock.setTimer(PATIENCE_MS, begin);
      void ask(agent, request, {
        timeLimitMs: Math.max(1, untilMs - clock.now()),
        signal: turn.abort.signal,
        onAnswering: () => {
          turn.isAnswering = true;
          timer?.cancel();
        },
      }).then((asked) => ended(turn, asked));
    };

    const ended = (turn: Turn, { answer, fault }: Asked): void => {
      // Another one has answered.
      if (!running.delete(turn)) return;
      if (fault === 'agent' && answer.kind === 'failure') {
        pool.failed(turn.agent, answer.reason, request, false);
        last = answer;
        if (next < order.length) begin();
        else if (running.size === 0) settle(answer);
        return;
      }
      if (fault === 'late') {
        // The time is over for all of them.
        last ??= answer;
        if (running.size === 0) settle(last);
        return;
      }
      const others = [...running];
      running.clear();
      if (answer.kind === 'answer' || answer.status !== undefined) {
        pool.answered(turn.agent);
        for (const other of others) {
          const waitedMs = clock.now() - other.beganAtMs;
          if (other.isAnswering || waitedMs < PATIENCE_MS) continue;
          const reason = `no answer within ${Math.round(waitedMs)} ms`;
          pool.failed(other.agent, reason, request, true);
        }
      }
      for (const { abort } of others) abort.abort();
      settle(answer);
    };

    signal?.addEventListener('abort', endAll, { once: true });
    begin();
    if (running.size === 0) settle({ kind: 'failure', status: undefined, reason: 'closed' });
  });
}
