import { useEffect, useRef, useState } from 'preact/hooks';
import type { ConsoleFacts } from '../../ops/console/answers';
import { RequestError, requestJson } from '../kit/http';
import { createStore, type Store, useStore } from '../kit/store';

/** The reader's Consul token: in this variable alone, so that it goes with the page. */
export const token: Store<string> = createStore('');

/** What `--dc` would say; empty: the datacenter of the agent. */
export const datacenter: Store<string> = createStore('');

export const facts: Store<ConsoleFacts | undefined> = createStore<ConsoleFacts | undefined>(undefined);

/** What a command gave. */
export interface Told<T> {
  readonly result: T;
  readonly notes: readonly string[];
  readonly code: number;
  readonly error?: { readonly message: string; readonly nextStep?: string };
}

/** Asks the API. Throws a {@link Refused}. `path` is below `api/`, its parts encoded. */
export async function ask<T>(path: string, options: AskOptions = {}): Promise<Told<T>> {
  const { method = 'GET', body, signal } = options;
  const dc = datacenter.get();
  const headers: Record<string, string> = {
    ...(token.get() === '' ? {} : { 'x-consul-token': token.get() }),
    ...(method === 'GET' ? {} : { 'x-graylane-console': '1' }),
  };
  const query = dc === '' ? '' : `${path.includes('?') ? '&' : '?'}dc=${encodeURIComponent(dc)}`;
  try {
    return await requestJson<Told<T>>(`api/${path}${query}`, {
      ...{ method, headers },
      ...(body === undefined ? {} : { body }),
      ...(signal === undefined ? {} : { signal }),
    });
  } catch (error) {
    if (error instanceof RequestError) throw new Refused(error);
    throw error;
  }
}

export interface AskOptions {
  readonly method?: 'GET' | 'POST' | 'PUT' | 'DELETE';
  readonly body?: unknown;
  readonly signal?: AbortSignal;
}

/** What the console, or Consul, refused. */
export class Refused extends Error {
  /** 403: the token may not. 404: there is none. 0: no answer. */
  readonly status: number;
  readonly told: Partial<Told<unknown>>;

  constructor({ status, message, body }: RequestError) {
    const told = (typeof body === 'object' && body !== null ? body : {}) as Partial<Told<unknown>>;
    const parts = [told.error?.message, told.error?.nextStep].filter((part) => part !== undefined);
    super(parts.length > 0 ? parts.join('; ') : (told.notes?.join('; ') ?? '') || message);
    this.status = status;
    this.told = told;
  }
}

/** What is there now of something that is asked for. */
export interface Asked<T> {
  /** The last answer, also while the next one is on its way. */
  readonly told: Told<T> | undefined;
  readonly refused: Refused | undefined;
  readonly isLoading: boolean;
  readonly reload: () => void;
}

/** Asks when it is shown, when token or datacenter change, and every `everyMs`. An undefined path asks nothing. */
export function useAsked<T>(path: string | undefined, everyMs?: number): Asked<T> {
  const ownToken = useStore(token);
  const dc = useStore(datacenter);
  const [state, setState] = useState<Omit<Asked<T>, 'reload'>>({ ...NOTHING, isLoading: path !== undefined });
  const [turn, setTurn] = useState(0);
  const shown = useRef<{ readonly place: string; readonly token: string } | undefined>(undefined);
  useEffect(() => {
    const place = JSON.stringify([path, dc]);
    // What belonged to something else is not shown in its place. Another token may say the same: it is waited for, and
    // what somebody is writing stays meanwhile.
    if (shown.current?.place !== place) setState({ ...NOTHING, isLoading: path !== undefined });
    const isSameToken = shown.current?.token === ownToken;
    shown.current = { place, token: ownToken };
    if (path === undefined) return;
    let hasAnswered = isSameToken;
    const stopped = new AbortController();
    const { signal } = stopped;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const look = async (): Promise<void> => {
      try {
        const told = await ask<T>(path, { signal });
        if (signal.aborted) return;
        hasAnswered = true;
        setState({ told, refused: undefined, isLoading: false });
      } catch (error) {
        if (signal.aborted) return;
        if (!(error instanceof Refused)) throw error;
        // A token that ended, and a console that does not answer, take nothing away that it has shown before.
        const isKept = hasAnswered && (error.status === 0 || error.status === 403 || error.status >= 500);
        setState(({ told }) => ({ told: isKept ? told : undefined, refused: error, isLoading: false }));
      }
      if (everyMs !== undefined && !signal.aborted) timer = setTimeout(next, everyMs);
    };
    // A page that nobody sees asks nothing, until somebody sees it again.
    const next = (): void => {
      if (document.visibilityState === 'visible') void look();
      else document.addEventListener('visibilitychange', next, { once: true, signal });
    };
    void look();
    return () => {
      stopped.abort();
      clearTimeout(timer);
    };
  }, [path, ownToken, dc, everyMs, turn]);
  return { ...state, reload: () => setTurn((before) => before + 1) };
}

const NOTHING = { told: undefined, refused: undefined };

/** `services/payments/policy`, with the name as an address has it. */
export function ofService(service: string, rest: string): string {
  return `services/${encodeURIComponent(service)}/${rest}`;
}
