import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { messageOf, postToWebhook } from './analysis/requests';
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
 * Runs the hooks of these names. Resolves to what failed, or to undefined when all succeeded (2xx, exit code 0). Never
 * rejects. The text contains neither an address nor an answer.
 */
export async function notify(
  names: readonly string[],
  message: NotificationMessage,
  deps: NotifyDeps,
): Promise<string | undefined> {
  const body = JSON.stringify(message);
  const failures = await Promise.all(
    names.map(async (name) => {
      const failure = await notifyHook(name, body, deps);
      return failure === undefined ? undefined : `notify ${name}: ${failure}`;
    }),
  );
  const failed = failures.filter((failure) => failure !== undefined);
  return failed.length === 0 ? undefined : failed.join(', ');
}

async function notifyHook(name: string, body: string, deps: NotifyDeps): Promise<string | undefined> {
  const { config } = deps;
  const hook = config.hooks.get(name);
  if (hook === undefined) return `not known to this controller (expected: one of its hooks; ${hookNames(config)})`;
  const { webhook, command } = hook;
  if (webhook !== undefined) return post(webhook, body, deps);
  return command === undefined ? undefined : run(command, body);
}

async function post(webhook: WebhookConfig, body: string, { env }: NotifyDeps): Promise<string | undefined> {
  try {
    const { status } = await postToWebhook(webhook, env, { body, ignoresBody: true });
    return status >= 200 && status <= 299 ? undefined : `HTTP ${status}`;
  } catch (error) {
    return messageOf(error);
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
