import type { Answers, Question } from './engine/answer';
import type { Answered, Asked } from './worker';

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

/**
 * The worker that decides and simulates, so that typing and dragging never wait for it. One for the page, started at the
 * first question.
 */
export class Engine {
  readonly #waiting = new Map<number, Waiting>();
  #worker: Worker | undefined;
  #asked = 0;

  ask<Q extends Question>(question: Q): Promise<Answers[Q['kind']]> {
    this.#asked += 1;
    const asked: Asked = { number: this.#asked, question };
    return new Promise((resolve, reject) => {
      this.#waiting.set(asked.number, { resolve: resolve as Waiting['resolve'], reject });
      this.#worker ??= this.#start();
      this.#worker.postMessage(asked);
    });
  }

  #start(): Worker {
    const worker = new Worker(new URL('playground-worker.js', ownAddress()), { type: 'module' });
    worker.onmessage = ({ data }: MessageEvent<Answered>) => {
      const { number, value, error } = data;
      const waiting = this.#waiting.get(number);
      this.#waiting.delete(number);
      if (error === undefined) waiting?.resolve(value);
      else waiting?.reject(new Error(error));
    };
    worker.onerror = (event) => {
      for (const { reject } of this.#waiting.values()) reject(new Error(event.message));
      this.#waiting.clear();
    };
    return worker;
  }
}

/** Of the page's script, beside which the worker lies. The page itself may be anywhere, as in a documentation. */
function ownAddress(): string {
  const script = document.querySelector<HTMLScriptElement>('script[type="module"][src*="playground.js"]');
  return script?.src ?? document.baseURI;
}

export const engine: Engine = new Engine();
