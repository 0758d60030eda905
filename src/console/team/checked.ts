import { useEffect, useState } from 'preact/hooks';
import { useStore } from '../kit/store';
import { type Asked, ask, datacenter, Refused, type Told, token } from './api';

/** Long enough that a slider that is dragged asks a few times a second. */
const SETTLED_MS = 120;

/** Asks a question with a body once it has stood for a moment; undefined asks nothing. The last answer stays meanwhile. */
export function useChecked<T>(path: string, body: unknown): Asked<T> {
  const own = useStore(token);
  const dc = useStore(datacenter);
  const [state, setState] = useState<Omit<Asked<T>, 'reload'>>({ ...NOTHING, isLoading: body !== undefined });
  const [turn, setTurn] = useState(0);
  const key = body === undefined ? undefined : JSON.stringify(body);
  useEffect(() => {
    if (key === undefined) {
      setState(NOTHING);
      return;
    }
    setState((before) => ({ ...before, isLoading: true }));
    const stopped = new AbortController();
    const timer = setTimeout(async () => {
      try {
        const told: Told<T> = await ask<T>(path, { method: 'POST', body: JSON.parse(key), signal: stopped.signal });
        if (!stopped.signal.aborted) setState({ told, refused: undefined, isLoading: false });
      } catch (error) {
        if (stopped.signal.aborted) return;
        if (!(error instanceof Refused)) throw error;
        setState({ told: undefined, refused: error, isLoading: false });
      }
    }, SETTLED_MS);
    return () => {
      stopped.abort();
      clearTimeout(timer);
    };
  }, [path, key, own, dc, turn]);
  return { ...state, reload: () => setTurn((before) => before + 1) };
}

const NOTHING = { told: undefined, refused: undefined, isLoading: false };
