import { type ClientRequest, Agent as HttpAgent, request as httpRequest } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';

/** Brings reports to a controller. One connection to each, kept between reports; it keeps no process alive. */
export interface ReportSender {
  /** Never rejects, never tries twice, follows no redirect; ends within `limitMs`. */
  send(report: OutgoingReport, limitMs: number): Promise<SendOutcome>;
  /** Drops connections; what is under way fails. */
  close(): void;
}

interface OutgoingReport {
  readonly url: string;
  /** Goes into the header and nowhere else. */
  readonly key: string;
  readonly body: string;
  /** The process waits for it: only when it is being ended. Default false. */
  readonly isLast?: boolean;
}

export type SendOutcome =
  | { readonly kind: 'taken' }
  /** An answer other than 2xx. */
  | { readonly kind: 'refused'; readonly status: number }
  | { readonly kind: 'failed'; readonly reason: string };

/** What of an answer is read: nothing is expected in it. */
const MAX_ANSWER_BYTES = 4_096;

export function createReportSender(): ReportSender {
  const settings = { keepAlive: true, maxSockets: 1, maxFreeSockets: 1 };
  const agents = { http: new HttpAgent(settings), https: new HttpsAgent(settings) };
  return {
    send({ url, key, body, isLast = false }, limitMs) {
      const isSecure = url.startsWith('https:');
      const headers = {
        'content-type': 'application/json',
        'content-length': String(Buffer.byteLength(body)),
        authorization: `Bearer ${key}`,
      };
      const options = { method: 'POST', headers };
      // The last one does not queue behind one that may be hanging: a connection of its own.
      const agentOf = <T>(shared: T): T | false => (isLast ? false : shared);
      return new Promise((resolve) => {
        const request = isSecure
          ? httpsRequest(url, { ...options, agent: agentOf(agents.https) })
          : httpRequest(url, { ...options, agent: agentOf(agents.http) });
        const limit = setTimeout(
          () => finish(request, { kind: 'failed', reason: `no answer within ${limitMs} ms` }),
          limitMs,
        );
        const finish = (from: ClientRequest, outcome: SendOutcome, isWhole = false): void => {
          clearTimeout(limit);
          if (!isWhole) from.destroy();
          resolve(outcome);
        };
        if (!isLast) {
          limit.unref();
          request.on('socket', (socket) => socket.unref());
        }
        request.on('error', (error: NodeJS.ErrnoException) =>
          finish(request, { kind: 'failed', reason: error.code ?? 'the connection failed' }),
        );
        request.on('response', (response) => {
          const status = response.statusCode ?? 0;
          const outcome: SendOutcome = status >= 200 && status < 300 ? { kind: 'taken' } : { kind: 'refused', status };
          let bytes = 0;
          response.on('data', (chunk: Buffer) => {
            bytes += chunk.length;
            if (bytes > MAX_ANSWER_BYTES) finish(request, outcome);
          });
          response.on('end', () => finish(request, outcome, true));
          response.on('error', () => finish(request, outcome));
        });
        request.end(body);
      });
    },
    close() {
      agents.http.destroy();
      agents.https.destroy();
    },
  };
}
