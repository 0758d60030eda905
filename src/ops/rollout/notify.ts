import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { isSuccess, messageOf, postToWebhook, type Reach } from './analysis/requests';
import { postToChat } from './chat';
import { CHATS } from './config/chat-config';
import { type CommandConfig, hookNames } from './config/controller-config';
import type { RolloutNotice } from './progress';

/** What a hook gets, as JSON. */
export interface NotificationMessage extends RolloutNotice {
  /** The same for every attempt to deliver it, so that a receiver can drop a second one. */
  readonly id: string;
}

const TIME_LIMIT_MS = 10_000;

/**
 * Runs the hooks of these names. Resolves to what failed, or to undefined when all succeeded (2xx, exit code 0). Never
 * rejects. The text contains neither an address nor an answer.
 */
export async function notify(
  names: readonly string[],
  message: NotificationMessage,
  reach: Reach,
): Promise<string | undefined> {
  const failures = await Promise.all(
    names.map(async (name) => {
      const failure = await runHook(name, message, reach);
      return failure === undefined ? [] : [`notify ${name}: ${failure}`];
    }),
  );
  return failures.flat().join(', ') || undefined;
}

async function runHook(
  name: string,
  message: NotificationMessage,
  { config, env }: Reach,
): Promise<string | undefined> {
  const hook = config.hooks.get(name);
  if (hook === undefined) return `not known to this controller (expected: one of its hooks; ${hookNames(config)})`;
  const body = JSON.stringify(message);
  try {
    if (hook.command !== undefined) return await run(hook.command, body);
    for (const chat of CHATS) {
      const there = hook[chat];
      if (there !== undefined) await postToChat(chat, there, message, { env, nowMs: Date.now() });
    }
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
