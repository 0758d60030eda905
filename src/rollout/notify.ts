import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { CommandDocument, NotifyDocument, WebhookDocument } from './document';
import type { RolloutNotice } from './progress';

/** What a hook gets, as JSON. */
export interface NotificationMessage extends RolloutNotice {
  /** The same for every attempt to deliver it, so that a receiver can drop a second one. */
  readonly id: string;
}

export interface NotifyDeps {
  /** Where tokens named by `tokenEnv` are looked up. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Whether a program that the document names may be run here. */
  readonly allowCommands: boolean;
}

const TIME_LIMIT_MS = 10_000;
const NOT_ALLOWED = 'notify.command: programs are not allowed here (--allow-commands)';

/**
 * Tells everybody whom the document names. Resolves to what failed, undefined when all took it (2xx, exit code 0). Never
 * rejects; what it says holds neither the URL nor what was answered.
 */
export async function notify(
  { webhook, command }: NotifyDocument,
  message: NotificationMessage,
  { env, allowCommands }: NotifyDeps,
): Promise<string | undefined> {
  const body = JSON.stringify(message);
  const failures = await Promise.all([
    webhook === undefined ? undefined : post(webhook, body, env),
    command === undefined ? undefined : allowCommands ? run(command, body) : NOT_ALLOWED,
  ]);
  const told = failures.filter((failure) => failure !== undefined);
  return told.length === 0 ? undefined : told.join(', ');
}

async function post(
  { url, tokenEnv, timeoutMs = TIME_LIMIT_MS }: WebhookDocument,
  body: string,
  env: Readonly<Record<string, string | undefined>>,
): Promise<string | undefined> {
  const token = tokenEnv === undefined ? undefined : env[tokenEnv];
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      },
      body,
      redirect: 'manual',
      signal: AbortSignal.timeout(timeoutMs),
    });
    await response.body?.cancel();
    return response.ok ? undefined : `notify.webhook: HTTP ${response.status}`;
  } catch (error) {
    const isLate = error instanceof Error && error.name === 'TimeoutError';
    return `notify.webhook: ${isLate ? `no answer within ${timeoutMs} ms` : 'not reached'}`;
  }
}

async function run(
  { run: line, timeoutMs = TIME_LIMIT_MS }: CommandDocument,
  body: string,
): Promise<string | undefined> {
  const [program, ...args] = line;
  if (program === undefined) return undefined;
  try {
    const child = spawn(program, args, { stdio: ['pipe', 'ignore', 'ignore'], timeout: timeoutMs });
    child.stdin.on('error', () => {});
    child.stdin.end(body);
    const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
    return code === 0 ? undefined : `notify.command: ended with ${code ?? signal}`;
  } catch (error) {
    const reason = error instanceof Error && 'code' in error ? String(error.code) : 'failed';
    return `notify.command: ${reason}`;
  }
}
