import { closed, type Schema } from '../../../policy/schema-parts';

/** The chats that a hook may write to, each by an incoming webhook of its own. */
export const CHATS = ['slack', 'feishu', 'dingtalk', 'wecom'] as const;
export type Chat = (typeof CHATS)[number];

/** An incoming webhook of a chat. Exactly one of `url`, `urlEnv` and `urlFile`. */
export interface ChatConfig {
  /** http or https. Whoever knows it may write to the chat: rather name a place that holds it. */
  readonly url?: string;
  /** Environment variable of the controller that holds the address. */
  readonly urlEnv?: string;
  /** File that holds the address; read for each notice. */
  readonly urlFile?: string;
  /** Of Feishu and DingTalk: environment variable that holds the secret that notices are signed with. */
  readonly secretEnv?: string;
  /** File that holds that secret; read for each notice. Not beside `secretEnv`. */
  readonly secretFile?: string;
  /** Milliseconds, default 10,000. */
  readonly timeoutMs?: number;
}

export type ChatConfigs = { readonly [chat in Chat]?: ChatConfig };

/** Chats whose hooks may ask for a signature. */
const SIGNED: ReadonlySet<Chat> = new Set<Chat>(['feishu', 'dingtalk']);

export function chatSchemasOf(
  parts: Readonly<Record<'address' | 'variable' | 'file' | 'timeoutMs', Schema>>,
): Record<Chat, Schema> {
  const { address, variable, file, timeoutMs } = parts;
  const schemas = CHATS.map((chat) => {
    const secret = SIGNED.has(chat) ? { secretEnv: variable, secretFile: file } : {};
    return [chat, closed({ url: address, urlEnv: variable, urlFile: file, ...secret, timeoutMs })] as const;
  });
  return Object.fromEntries(schemas) as Record<Chat, Schema>;
}
