import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { type Environment, isSuccess, messageOf, postToWebhook } from './analysis/requests';
import { type CommandConfig, type ControllerConfig, hookNames } from './config/controller-config';
import type { RolloutNotice } from './progress';

/** What a hook gets, as JSON. */
export interface NotificationMessage extends RolloutNotice {
  /** The same for every attempt to deliver it, so that a receiver can drop a second one. */
  readonly id: string;
}

export interface NotifyDeps {
  /** What the names in a document stand for. */
  readonly config: ControllerConfig;
  readonly env: Environment;
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
      const failure = await runHook(name, body, deps);
      return failure === undefined ? [] : [`notify ${name}: ${failure}`];
    }),
  );
  return failures.flat().join(', ') || undefined;
}

async function runHook(name: string, body: string, { config, env }: NotifyDeps): Promise<string | undefined> {
  const hook = config.hooks.get(name);
  if (hook === undefined) return `not known to this controller (expected: one of its hooks; ${hookNames(config)})`;
  try {
    if (hook.command !== undefined) return await run(hook.command, body);
    if (hook.webhook === undefined) return undefined;
    const { status } = await postToWebhook(hook.webhook, env, { body, ignoresBody: true });
    return isSuccess(status) ? undefined : `HTTP ${status}`;
  } catch (error) {
    // The message of a system error names the program.
    return error instanceof Error && 'code' in error ? String(error.code) : messageOf(error);
  }
}

async function run({ run: line, timeoutMs = TIME_LIMIT_MS }: CommandConfig, body: string): Promise<string | undefined> {
  const [program = '', ...args] = line;
  const child = spawn(program, args, { stdio: ['pipe', 'ignore', 'ignore'], timeout: timeoutMs });
  child.stdin.on('error', () => {});
  child.stdin.end(body);
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
  return code === 0 ? undefined : `ended with ${code ?? signal}`;
}
