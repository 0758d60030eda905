import { useEffect, useRef, useState } from 'preact/hooks';
import type { Answers, Question } from './engine/answer';
import { engine } from './engine-client';

/**
 * The answer to a question, asked again when it changes. While one is out the newest of those that follow waits, and
 * those between are left out, so that a drag never queues. Keeps the last answer until the next one is there. Undefined
 * before the first, and while `question` is undefined.
 */
export function useAnswer<Q extends Question>(question: Q | undefined): Answers[Q['kind']] | undefined {
  const [answer, setAnswer] = useState<Answers[Q['kind']]>();
  const next = useRef<Q | undefined>(undefined);
  const isOut = useRef(false);
  const key = JSON.stringify(question);
  useEffect(() => {
    next.current = question;
    if (question === undefined) setAnswer(undefined);
    if (isOut.current) return;
    const askNext = async (): Promise<void> => {
      isOut.current = true;
      for (let asked = next.current; asked !== undefined; asked = next.current) {
        next.current = undefined;
        try {
          const found = await engine.ask(asked);
          setAnswer(() => found);
        } catch (error) {
          console.error(error);
        }
      }
      isOut.current = false;
    };
    void askNext();
  }, [key]);
  return answer;
}
