/**
 * One thing that the console's API does. Reads are GET. POST asks with a body (what a change would do, why a call goes
 * where it goes) and changes nothing. PUT and DELETE write: a console that only reads refuses them by method.
 */
export interface ConsoleOperation {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** Below `/api`, with parameters in braces: `/services/{service}/policy`. */
  readonly path: string;
  /** Throws a {@link ConsoleProblem} for a request that cannot be understood. */
  run(request: ConsoleRequest): Promise<ConsoleAnswer>;
}

export interface ConsoleRequest {
  /** Of the path, decoded: not empty, at most 256 characters, without slashes and control characters. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  /** The JSON of the body; undefined without one. */
  readonly body: unknown;
  /** The caller's own Consul token. Never part of an answer or a log line. */
  readonly token: string | undefined;
  /** Aborts when the caller has gone, or the operation has taken too long. */
  readonly signal: AbortSignal;
}

export interface ConsoleAnswer {
  readonly status: number;
  readonly body: unknown;
}

/** A request that cannot be understood. The message says path, what was found and what was expected; no secret. */
export class ConsoleProblem extends Error {
  override readonly name: string = 'ConsoleProblem';
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}
