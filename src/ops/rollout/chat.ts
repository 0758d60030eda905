import { createHmac } from 'node:crypto';
import { requestJson } from '../../base/http-json';
import { isRecord } from '../../base/is-record';
import { shortenMiddle } from '../../base/shorten';
import { type Environment, isSuccess, readSecret } from './analysis/requests';
import { MeasureError } from './analysis/subset-metrics';
import type { Chat, ChatConfig } from './config/chat-config';
import type { RolloutNotice } from './progress';

/** WeCom takes 2,048 bytes of text, the least of the four; a character of Chinese has three. */
const MAX_TEXT = 600;
const TITLES: Readonly<Record<RolloutNotice['event'], string>> = {
  inconclusive: 'undecided, somebody has to look',
  aborted: 'taken back',
  completed: 'has reached its end',
  paused: 'waits for somebody',
};

/** What a chat shows: `[payments] rollout taken back at 0 %: ...`. */
export function chatText({ service, event, message, weight, rollout }: RolloutNotice): string {
  return shortenMiddle(
    `[${service}] rollout ${TITLES[event]}, canary at ${weight} %: ${message} (${rollout})`,
    MAX_TEXT,
  );
}

interface ChatRequest {
  readonly url: URL;
  readonly body: unknown;
}

interface Signing {
  readonly secret: string | undefined;
  /** Wall clock. */
  readonly nowMs: number;
}

/**
 * The request that each chat takes.
 * Slack: https://api.slack.com/messaging/webhooks
 * Feishu: https://open.feishu.cn/document/client-docs/bot-v3/add-custom-bot
 * DingTalk: https://open.dingtalk.com/document/robots/custom-robot-access
 * WeCom: https://developer.work.weixin.qq.com/document/path/91770
 */
const REQUESTS: Readonly<Record<Chat, (url: URL, text: string, signing: Signing) => ChatRequest>> = {
  slack: (url, text) => ({ url, body: { text } }),
  wecom: (url, text) => ({ url, body: { msgtype: 'text', text: { content: text } } }),
  feishu(url, text, { secret, nowMs }) {
    const body = { msg_type: 'text', content: { text } };
    if (secret === undefined) return { url, body };
    // The text to sign is the key, and what is signed is empty.
    const timestamp = String(Math.floor(nowMs / 1_000));
    return { url, body: { timestamp, sign: hmac(`${timestamp}\n${secret}`, ''), ...body } };
  },
  dingtalk(url, text, { secret, nowMs }) {
    const signed = new URL(url);
    if (secret !== undefined) {
      signed.searchParams.set('timestamp', String(nowMs));
      signed.searchParams.set('sign', hmac(secret, `${nowMs}\n${secret}`));
    }
    return { url: signed, body: { msgtype: 'text', text: { content: text } } };
  },
};

function hmac(key: string, text: string): string {
  return createHmac('sha256', key).update(text).digest('base64');
}

/** Where each chat says in its answer that it did not take a notice, with a status of 200. */
const CODES: Readonly<Record<Chat, readonly string[]>> = {
  slack: [],
  feishu: ['code', 'StatusCode'],
  dingtalk: ['errcode'],
  wecom: ['errcode'],
};

/** Writes a notice to a chat. Rejects when the chat does not take it, with a message without address and secret. */
export async function postToChat(
  chat: Chat,
  config: ChatConfig,
  notice: RolloutNotice,
  { env, nowMs }: { readonly env: Environment; readonly nowMs: number },
): Promise<void> {
  const { url, urlEnv, urlFile, secretEnv, secretFile, timeoutMs = 10_000 } = config;
  const address = url ?? (await readSecret({ env: urlEnv, file: urlFile }, ['urlEnv', 'urlFile'], 'an address', env));
  const secret = await readSecret({ env: secretEnv, file: secretFile }, ['secretEnv', 'secretFile'], 'a secret', env);
  if (address === undefined || !/^https?:\/\//.test(address) || !URL.canParse(address)) {
    throw new MeasureError('no address (expected: http://host or https://host)');
  }
  const request = REQUESTS[chat](new URL(address), chatText(notice), { secret, nowMs });
  const { status, body } = await requestJson({ url: request.url, body: JSON.stringify(request.body), timeoutMs });
  if (!isSuccess(status)) throw new MeasureError(`HTTP ${status}`);
  const code = isRecord(body) ? CODES[chat].map((key) => body[key]).find((each) => each !== undefined) : undefined;
  if (code !== undefined && code !== 0) throw new MeasureError(`${chat} answered ${String(code).slice(0, 20)}`);
}
