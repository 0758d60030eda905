import type { IncomingMessage } from 'node:http';
import { Writable } from 'node:stream';

/**
 * Gathers one response body, for papi's `pipe` option. papi alone would keep a body of any size and would wait for the
 * end of one that was cut short until its timeout; this says so at once through `onFault` (at most once).
 */
export class BodyCollector extends Writable {
  readonly #chunks: Buffer[] = [];
  readonly #limitBytes: number;
  readonly #onFault: (reason: string) => void;
  #size = 0;
  #faulted = false;

  constructor(limitBytes: number, onFault: (reason: string) => void) {
    super();
    this.#limitBytes = limitBytes;
    this.#onFault = onFault;
    this.on('pipe', (source: IncomingMessage) => this.#watch(source));
  }

  body(): Buffer {
    return this.#chunks.length === 1 ? (this.#chunks[0] ?? Buffer.alloc(0)) : Buffer.concat(this.#chunks, this.#size);
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    if (!this.#faulted) {
      this.#size += chunk.length;
      this.#chunks.push(chunk);
      this.#checkSize(this.#size);
    }
    done();
  }

  #watch(source: IncomingMessage): void {
    source.once('close', () => {
      if (!source.complete) this.#fault('the answer was cut short');
    });
    this.#checkSize(Number(source.headers['content-length'] ?? 0));
  }

  #checkSize(bytes: number): void {
    if (bytes > this.#limitBytes) this.#fault(`the answer is larger than ${this.#limitBytes} bytes`);
  }

  #fault(reason: string): void {
    if (this.#faulted) return;
    this.#faulted = true;
    this.#chunks.length = 0;
    this.#onFault(reason);
  }
}
