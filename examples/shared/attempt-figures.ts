// Figures of a canary's attempts and of stable's, as the webhook provider of a rollout answers them.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { status } from '@grpc/grpc-js';
import type { CallReport } from 'graylane';

/** A call that has ended, as `graylane.with({ observe })` tells it. */
export interface EndedCall {
  /** Milliseconds since 1970. */
  readonly endedAtMs: number;
  readonly report: CallReport;
}

interface FiguresRequest {
  readonly canary: string;
  readonly stable: string;
  readonly sinceMs: number;
  readonly nowMs: number;
}

export interface FiguresServer {
  readonly url: string;
  close(): void;
}

const BOUNDS_MS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000];
/** What is the server's fault: an order that was not found is not. */
const FAILURES: readonly number[] = [
  status.UNAVAILABLE,
  status.DEADLINE_EXCEEDED,
  status.INTERNAL,
  status.UNKNOWN,
  status.RESOURCE_EXHAUSTED,
  status.DATA_LOSS,
];

/**
 * Answers a rollout's controller with what one process has seen. A fleet of clients has Prometheus add theirs up; for one
 * process, or for figures that live elsewhere, a webhook will do. `openBreakers` is how many hold off a subset now.
 */
export async function serveFigures(
  calls: () => readonly EndedCall[],
  openBreakers: (subset: string) => number,
): Promise<FiguresServer> {
  const server = createServer((request, response) => {
    let text = '';
    request.on('data', (chunk) => {
      text += String(chunk);
    });
    request.on('end', () => {
      const { canary, stable, sinceMs, nowMs } = JSON.parse(text) as FiguresRequest;
      const recent = calls().filter(({ endedAtMs }) => endedAtMs > sinceMs && endedAtMs <= nowMs);
      const figuresOf = (subset: string): object => ({
        ...countAttempts(recent, subset),
        openBreakers: openBreakers(subset),
      });
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ canary: figuresOf(canary), stable: figuresOf(stable) }));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/figures`,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}

/** Attempts rather than calls: a retry that saves the call does not hide the failure before it. */
function countAttempts(calls: readonly EndedCall[], subset: string): object {
  const attempts = calls.flatMap(({ report }) => report.attempts).filter((attempt) => attempt.subset === subset);
  const counts = new Array<number>(BOUNDS_MS.length + 1).fill(0);
  for (const { durationMs } of attempts) {
    const bucket = BOUNDS_MS.findIndex((bound) => durationMs <= bound);
    const at = bucket === -1 ? BOUNDS_MS.length : bucket;
    counts[at] = (counts[at] ?? 0) + 1;
  }
  return {
    calls: attempts.length,
    failures: attempts.filter(({ code }) => FAILURES.includes(code)).length,
    durations: { boundsMs: BOUNDS_MS, counts },
  };
}
