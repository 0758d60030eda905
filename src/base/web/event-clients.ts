import type { WebResponse } from './page-files';
import { setPageHeaders } from './page-files';

/** A response that events are written to for as long as its client reads them. */
export interface EventResponse extends WebResponse {
  /** Sends a piece of the body. */
  write(text: string): unknown;
  /** Sends the head at once. */
  flushHeaders?(): void;
  /** Cuts the connection of a client that does not read. */
  destroy?(): unknown;
  /** Tells that the client has gone. */
  on(event: 'close' | 'error', listener: () => void): unknown;
  /** Bytes that wait for the client. */
  readonly writableLength: number;
}

export interface EventClientsOptions {
  /** Clients at once. Default 8. */
  readonly most?: number;
  /** Bytes that may wait for a client; one that lets more wait is dropped. Default 4 MiB. */
  readonly mostWaiting?: number;
  /** Called when the first client comes, and when the last has gone. */
  onUse?(isUsed: boolean): void;
}

/**
 * The clients of one stream of server-sent events. Their number is bounded, and one that reads too slowly is dropped:
 * its browser connects again and gets a whole state.
 */
export class EventClients {
  readonly #clients = new Set<EventResponse>();
  readonly #options: EventClientsOptions;

  constructor(options: EventClientsOptions = {}) {
    this.#options = options;
  }

  get size(): number {
    return this.#clients.size;
  }

  get isFull(): boolean {
    return this.#clients.size >= (this.#options.most ?? 8);
  }

  /** False: there are too many, and nothing was sent. */
  add(response: EventResponse): boolean {
    if (this.isFull) return false;
    setPageHeaders(response);
    response.statusCode = 200;
    response.setHeader('content-type', 'text/event-stream; charset=utf-8');
    response.setHeader('cache-control', 'no-store');
    // nginx holds back what it proxies otherwise.
    response.setHeader('x-accel-buffering', 'no');
    response.flushHeaders?.();
    const leave = (): void => {
      if (this.#clients.delete(response) && this.#clients.size === 0) this.#options.onUse?.(false);
    };
    response.on('close', leave);
    response.on('error', leave);
    this.#clients.add(response);
    if (this.#clients.size === 1) this.#options.onUse?.(true);
    return true;
  }

  /** To one client. `data` is sent as JSON. */
  send(response: EventResponse, event: string, data: unknown): void {
    this.sendJson(response, event, JSON.stringify(data));
  }

  /** The same for data that is JSON already, on one line. */
  sendJson(response: EventResponse, event: string, json: string): void {
    if (this.#clients.has(response)) this.#write(response, frame(event, json));
  }

  /** To every client. */
  broadcast(event: string, data: unknown): void {
    if (this.#clients.size === 0) return;
    const text = frame(event, JSON.stringify(data));
    for (const client of this.#clients) this.#write(client, text);
  }

  close(): void {
    for (const client of this.#clients) client.end();
  }

  #write(client: EventResponse, text: string): void {
    if (client.writableLength <= (this.#options.mostWaiting ?? 4 * 1024 * 1024)) client.write(text);
    else if (client.destroy === undefined) client.end();
    else client.destroy();
  }
}

function frame(event: string, json: string): string {
  return `event: ${event}\ndata: ${json}\n\n`;
}
