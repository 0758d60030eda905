import { spawn } from 'node:child_process';
import { once } from 'node:events';

/** Where word goes when a rollout ends or stops by itself. */
export interface NotificationHook {
  /** Gets a POST with the message as JSON; 2xx means taken. */
  readonly webhook?: string | undefined;
  /** Program and arguments, no shell; the message is its standard input, as JSON. Exit code 0 means taken. */
  readonly command?: readonly string[] | undefined;
}

export interface NotificationMessage {
  /** The same for every attempt to deliver it, so that a receiver can drop a second one. */
  readonly id: string;
  readonly service: string;
  readonly rollout: string;
  readonly event: string;
  readonly reason: string;
  /** Percent. */
  readonly weight: number;
  /** RFC 3339. */
  readonly at: string;
}

const TIME_LIMIT_MS = 10_000;

/** Resolves to what failed, undefined when everybody took it. Never rejects; shows neither the URL nor what it answered. */
export async function notify(hook: NotificationHook, message: NotificationMessage): Promise<string | undefined> {
  const body = JSON.stringify(message);
  const failures = await Promise.all([
    hook.webhook === undefined ? undefined : post(hook.webhook, body),
    hook.command === undefined ? undefined : run(hook.command, body),
  ]);
  const told = failures.filter((failure) => failure !== undefined);
  return told.length === 0 ? undefined : told.join(', ');
}

async function post(url: string, body: string): Promise<string | undefined> {
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
      redirect: 'manual',
      signal: AbortSignal.timeout(TIME_LIMIT_MS),
    });
    await response.body?.cancel();
    return response.ok ? undefined : `notify.webhook: HTTP ${response.status}`;
  } catch (error) {
    const isLate = error instanceof Error && error.name === 'TimeoutError';
    return `notify.webhook: ${isLate ? `no answer within ${TIME_LIMIT_MS} ms` : 'not reached'}`;
  }
}

async function run([program, ...args]: readonly string[], body: string): Promise<string | undefined> {
  if (program === undefined) return undefined;
  try {
    const child = spawn(program, args, { stdio: ['pipe', 'ignore', 'ignore'], timeout: TIME_LIMIT_MS });
    child.stdin.on('error', () => {});
    child.stdin.end(body);
    const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
    return code === 0 ? undefined : `notify.command: ended with ${code ?? signal}`;
  } catch (error) {
    const reason = error instanceof Error && 'code' in error ? String(error.code) : 'failed';
    return `notify.command: ${reason}`;
  }
}
