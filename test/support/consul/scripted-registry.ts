import type { ServerResponse } from 'node:http';
import { reply, type ScriptedAnswer, type ScriptedConsul, startScriptedConsul } from '../scripted-consul';

/**
 * A registry that answers in the shapes of newer servers than the one that tests have: blocking queries, each answer to be
 * replaced while they wait. What is not set is answered 404.
 */
export interface ScriptedRegistry {
  readonly address: string;
  readonly consul: ScriptedConsul;
  /** `path`, with the peer that is asked for behind it: `/v1/health/service/payments peer=cloud`. Undefined: no answer at all. */
  set(path: string, answer: Omit<ScriptedAnswer, 'index'> | undefined): void;
  stop(): Promise<void>;
}

export async function startScriptedRegistry(): Promise<ScriptedRegistry> {
  const consul = await startScriptedConsul();
  const answers = new Map<string, { answer: Omit<ScriptedAnswer, 'index'> | undefined; index: number }>();
  const waiting = new Map<string, ServerResponse[]>();
  const answer = (key: string, response: ServerResponse): void => {
    const known = answers.get(key);
    if (known === undefined) reply(response, { status: 404, index: '1', body: '' });
    else if (known.answer !== undefined) reply(response, { index: String(known.index), ...known.answer });
  };
  consul.answer(({ path, query }, response) => {
    const peer = query.get('peer');
    const key = peer === null ? path : `${path} peer=${peer}`;
    const index = query.get('index');
    if (index === null || Number(index) !== (answers.get(key)?.index ?? 1)) return answer(key, response);
    waiting.set(key, [...(waiting.get(key) ?? []), response]);
  });
  return {
    address: consul.address,
    consul,
    set(path, next) {
      answers.set(path, { answer: next, index: (answers.get(path)?.index ?? 1) + 1 });
      const held = waiting.get(path) ?? [];
      waiting.delete(path);
      for (const response of held) answer(path, response);
    },
    stop: () => consul.stop(),
  };
}
