/** A request that was refused or failed. `message` is what the server said of it. */
export class RequestError extends Error {
  /** 0: no answer came. */
  readonly status: number;
  readonly body: unknown;

  constructor(status: number, message: string, body: unknown) {
    super(message);
    this.status = status;
    this.body = body;
  }
}

export interface RequestOptions {
  readonly method?: string;
  /** Sent as JSON. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

/** Asks the page's own server for JSON. Throws RequestError. */
export async function requestJson<T>(url: string, options: RequestOptions = {}): Promise<T> {
  const { method = 'GET', body, headers = {}, signal } = options;
  const init: RequestInit = {
    method,
    headers: { accept: 'application/json', ...(body === undefined ? {} : JSON_BODY), ...headers },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    ...(signal === undefined ? {} : { signal }),
  };
  const response = await answerOf(url, init);
  const answer: unknown = await response.json().catch(() => undefined);
  if (response.ok) return answer as T;
  const told = typeof answer === 'object' && answer !== null && 'error' in answer ? String(answer.error) : undefined;
  throw new RequestError(response.status, told ?? `${response.status} ${response.statusText}`, answer);
}

const JSON_BODY = { 'content-type': 'application/json' };

async function answerOf(url: string, init: RequestInit): Promise<Response> {
  try {
    return await fetch(url, init);
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error;
    throw new RequestError(0, 'no answer', undefined);
  }
}

/** `waiting`: connecting, or connecting again. `refused`: the server said no, and why. */
export type StreamState = { readonly kind: 'live' | 'waiting' } | { readonly kind: 'refused'; readonly why: string };

export interface StreamOptions {
  readonly headers?: Readonly<Record<string, string>>;
  onEvent(event: string, data: unknown): void;
  onState?(state: StreamState): void;
}

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 10_000;

/**
 * Reads server-sent events, and connects again when the stream ends. With `fetch`, since `EventSource` sends no headers
 * of ours. Gives the way to stop.
 */
export function streamEvents(url: string, options: StreamOptions): () => void {
  const stopped = new AbortController();
  void follow(url, options, stopped.signal);
  return () => stopped.abort();
}

async function follow(url: string, options: StreamOptions, signal: AbortSignal): Promise<void> {
  let pauseMs = FIRST_PAUSE_MS;
  while (!signal.aborted) {
    try {
      const response = await fetch(url, { headers: { accept: 'text/event-stream', ...options.headers }, signal });
      if (response.ok && response.body !== null) {
        options.onState?.({ kind: 'live' });
        pauseMs = FIRST_PAUSE_MS;
        await readEvents(response.body, options.onEvent);
        if (!signal.aborted) options.onState?.({ kind: 'waiting' });
      } else {
        const answer = (await response.json().catch(() => undefined)) as { error?: string } | undefined;
        options.onState?.({ kind: 'refused', why: answer?.error ?? `${response.status}` });
      }
    } catch {
      if (signal.aborted) return;
      options.onState?.({ kind: 'waiting' });
    }
    await new Promise((resolve) => setTimeout(resolve, pauseMs * (0.75 + Math.random() / 2)));
    pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS);
  }
}

async function readEvents(body: ReadableStream<Uint8Array>, onEvent: StreamOptions['onEvent']): Promise<void> {
  const decoder = new TextDecoder();
  const reader = body.getReader();
  let text = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    text += decoder.decode(value, { stream: true });
    const frames = text.split('\n\n');
    text = frames.pop() ?? '';
    for (const frame of frames) {
      const event = /^event: (.*)$/m.exec(frame)?.[1];
      const data = /^data: (.*)$/m.exec(frame)?.[1];
      if (event !== undefined && data !== undefined) onEvent(event, JSON.parse(data));
    }
  }
}
