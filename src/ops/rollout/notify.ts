import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { messageOf, readToken } from './analysis/requests';
import { type CommandConfig, type ControllerConfig, hookNames, type WebhookConfig } from './config/controller-config';
import type { RolloutNotice } from './progress';

/** What a hook gets, as JSON. */
export interface NotificationMessage extends RolloutNotice {
  /** The same for every attempt to deliver it, so that a receiver can drop a second one. */
  readonly id: string;
}

export interface NotifyDeps {
  /** What the names in a document stand for. */
  readonly config: ControllerConfig;
  /** Where tokens that the configuration names by `tokenEnv` are looked up. */
  readonly env: Readonly<Record<string, string | undefined>>;
}

const TIME_LIMIT_MS = 10_000;

/**
 * Tells everybody whom the document names. Resolves to what failed, undefined when all took it (2xx, exit code 0). Never
 * rejects; what it says holds neither an address nor what was answered.
 */
export async function notify(
  names: readonly string[],
  message: NotificationMessage,
  deps: NotifyDeps,
): Promise<string | undefined> {
  const body = JSON.stringify(message);
  const failures = await Promise.all(
    names.map(async (name) => {
      const failure = await tell(name, body, deps);
      return failure === undefined ? undefined : `notify ${name}: ${failure}`;
    }),
  );
  const told = failures.filter((failure) => failure !== undefined);
  return told.length === 0 ? undefined : told.join(', ');
}

async function tell(name: string, body: string, { config, env }: NotifyDeps): Promise<string | undefined> {
  const hook = config.hooks.get(name);
  if (hook === undefined) return `not known to this controller (expected: one of its hooks; ${hookNames(config)})`;
  const { webhook, command } = hook;
  if (webhook !== undefined) return post(webhook, body, env);
  return command === undefined ? undefined : run(command, body);
}

async function post(
  webhook: WebhookConfig,
  body: string,
  env: Readonly<Record<string, string | undefined>>,
): Promise<string | undefined> {
  const { url, headers, timeoutMs = TIME_LIMIT_MS } = webhook;
  let token: string | undefined;
  try {
    token = await readToken(webhook, env);
  } catch (error) {
    return messageOf(error);
  }
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: {
        ...headers,
        'content-type': 'application/json',
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      },
      body,
      redirect: 'manual',
      signal: AbortSignal.timeout(timeoutMs),
    });
    await response.body?.cancel();
    return response.ok ? undefined : `HTTP ${response.status}`;
  } catch (error) {
    const isLate = error instanceof Error && error.name === 'TimeoutError';
    return isLate ? `no answer within ${timeoutMs} ms` : 'not reached';
  }
}

async function run({ run: line, timeoutMs = TIME_LIMIT_MS }: CommandConfig, body: string): Promise<string | undefined> {
  const [program, ...args] = line;
  if (program === undefined) return undefined;
  try {
    const child = spawn(program, args, { stdio: ['pipe', 'ignore', 'ignore'], timeout: timeoutMs });
    child.stdin.on('error', () => {});
    child.stdin.end(body);
    const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
    return code === 0 ? undefined : `ended with ${code ?? signal}`;
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : 'failed';
  }
}
