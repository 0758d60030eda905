import { answer, type Question } from './engine/answer';
import { PolicyReader } from './engine/read-policy';

/** A question with the number that its answer comes back with. */
export interface Asked {
  readonly number: number;
  readonly question: Question;
}

/** `value` or `error`. */
export interface Answered {
  readonly number: number;
  readonly value?: unknown;
  readonly error?: string;
}

const reader = new PolicyReader();
const scope = globalThis as unknown as {
  onmessage: (event: { readonly data: Asked }) => void;
  postMessage(answered: Answered): void;
};

scope.onmessage = ({ data: { number, question } }) => {
  try {
    scope.postMessage({ number, value: answer(question, reader) });
  } catch (error) {
    scope.postMessage({ number, error: error instanceof Error ? error.message : String(error) });
  }
};
