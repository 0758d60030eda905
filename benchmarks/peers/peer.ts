import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

/** A process of a benchmark: what is measured, and what serves it, must not share an event loop. */
export interface Peer {
  readonly pid: number;
  /** Resolves with what the other side answers; rejects with its error, or when it ends. */
  ask<T>(question: unknown): Promise<T>;
  stop(): Promise<void>;
}

interface Question {
  readonly id: number;
  readonly question: unknown;
}

interface Answer {
  readonly id: number;
  readonly answer?: unknown;
  readonly error?: string;
}

const running = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** Starts `peers/<script>` with `argument` and waits until it is ready to be asked. */
export async function startPeer(script: string, argument: unknown, flags: readonly string[] = []): Promise<Peer> {
  const child = fork(join(__dirname, script), [JSON.stringify(argument)], {
    execArgv: ['--expose-gc', '--import', 'tsx', ...flags],
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const waiting = new Map<number, (answer: Answer) => void>();
  let isGone = false;
  running.add(child);
  const gone = once(child, 'exit').then(() => {
    isGone = true;
    running.delete(child);
    for (const [id, settle] of waiting) settle({ id, error: `${script} ended` });
  });
  const ready = new Promise<void>((resolve, reject) => {
    child.on('message', (message: Answer | 'ready') => {
      if (message === 'ready') resolve();
      else waiting.get(message.id)?.(message);
    });
    void gone.then(() => reject(new Error(`${script} ended before it was ready`)));
  });
  await ready;
  let asked = 0;
  return {
    pid: child.pid ?? -1,
    ask<T>(question: unknown): Promise<T> {
      asked += 1;
      const id = asked;
      return new Promise<T>((resolve, reject) => {
        if (isGone) return reject(new Error(`${script} has ended`));
        waiting.set(id, ({ answer, error }) => {
          waiting.delete(id);
          if (error === undefined) resolve(answer as T);
          else reject(new Error(error));
        });
        child.send({ id, question } satisfies Question);
      });
    },
    async stop() {
      child.kill('SIGKILL');
      await gone;
    },
  };
}

/** The other side, called in the child once it can answer. Ends with its parent. */
export function answerParent(handle: (question: never) => Promise<unknown>): void {
  process.on('message', (message: Question) => {
    handle(message.question as never).then(
      (answer) => process.send?.({ id: message.id, answer } satisfies Answer),
      (error: unknown) => process.send?.({ id: message.id, error: String(error) } satisfies Answer),
    );
  });
  process.on('disconnect', () => process.exit(0));
  process.send?.('ready');
}

export function argumentOf<T>(): T {
  return JSON.parse(process.argv[2] ?? 'null') as T;
}
