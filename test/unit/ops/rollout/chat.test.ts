import { createHmac } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { chatText } from '../../../../src/ops/rollout/chat';
import { NO_CONFIG } from '../../../../src/ops/rollout/config/controller-config';
import { judgeControllerConfig } from '../../../../src/ops/rollout/config/parse-controller-config';
import { type NotificationMessage, notify } from '../../../../src/ops/rollout/notify';

const MESSAGE: NotificationMessage = {
  ...{ id: 'r1/7', rollout: 'r1', service: 'payments', event: 'aborted', weight: 0, atMs: 0 },
  message: 'request-success-rate: canary failed 12 of 240 (5.00 %), "stable" 3 of 4,560\n灰度已回滚',
};
const TEXT = `[payments] rollout taken back, canary at 0 %: ${MESSAGE.message} (r1)`;
const SECRET = 'SEC0123456789';

interface Got {
  readonly url: URL;
  readonly type: string | undefined;
  readonly body: Record<string, unknown>;
}

let server: Server;
let address = '';
let folder = '';
let answer = { status: 200, body: '' };
const got: Got[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'graylane-chat-'));
  server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += String(chunk);
    const url = new URL(request.url ?? '', 'http://x');
    got.push({ url, type: request.headers['content-type'], body: JSON.parse(body) as Got['body'] });
    response.writeHead(answer.status).end(answer.body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook?access_token=t0ken`;
  await writeFile(join(folder, 'url'), `${address}\n`);
  await writeFile(join(folder, 'secret'), `${SECRET}\n`);
});
afterAll(async () => {
  server.closeAllConnections();
  server.close();
  await rm(folder, { recursive: true, force: true });
});

async function tell(hook: unknown, env: Record<string, string> = {}): Promise<string | undefined> {
  const { config, problems } = judgeControllerConfig({ schema: 1, hooks: { chat: hook } });
  expect(problems).toEqual([]);
  return notify(['chat'], MESSAGE, { config: config ?? NO_CONFIG, env });
}

/** As the pages of both vendors compute it, written anew. */
function signed(key: string, text: string): string {
  return createHmac('sha256', Buffer.from(key, 'utf8')).update(Buffer.from(text, 'utf8')).digest('base64');
}

describe('a notice in a chat', () => {
  it.each([
    ['slack', 'ok', { text: TEXT }],
    ['feishu', '{"code":0,"msg":"success"}', { msg_type: 'text', content: { text: TEXT } }],
    ['feishu', '{"StatusCode":0}', { msg_type: 'text', content: { text: TEXT } }],
    ['dingtalk', '{"errcode":0,"errmsg":"ok"}', { msgtype: 'text', text: { content: TEXT } }],
    ['wecom', '{"errcode":0,"errmsg":"ok"}', { msgtype: 'text', text: { content: TEXT } }],
  ] as const)('of %s has the shape that it takes', async (chat, said, body) => {
    answer = { status: 200, body: said };
    expect(await tell({ [chat]: { urlEnv: 'HOOK' } }, { HOOK: address })).toBeUndefined();
    expect(got.at(-1)).toMatchObject({ type: 'application/json', body });
    expect(got.at(-1)?.body).toEqual(body);
    expect(got.at(-1)?.url.search).toBe('?access_token=t0ken');
  });

  it('of Feishu is signed in its body, with seconds', async () => {
    answer = { status: 200, body: '{"code":0}' };
    expect(await tell({ feishu: { urlFile: join(folder, 'url'), secretEnv: 'S' } }, { S: SECRET })).toBeUndefined();
    const { timestamp, sign, ...rest } = got.at(-1)?.body ?? {};
    expect(Math.abs(Number(timestamp) - Date.now() / 1_000)).toBeLessThan(60);
    expect(sign).toBe(signed(`${String(timestamp)}\n${SECRET}`, ''));
    expect(rest).toEqual({ msg_type: 'text', content: { text: TEXT } });
  });

  it('of DingTalk is signed in its address, with milliseconds', async () => {
    answer = { status: 200, body: '{"errcode":0}' };
    expect(await tell({ dingtalk: { url: address, secretFile: join(folder, 'secret') } })).toBeUndefined();
    const query = got.at(-1)?.url.searchParams;
    const timestamp = query?.get('timestamp') ?? '';
    expect(Math.abs(Number(timestamp) - Date.now())).toBeLessThan(60_000);
    expect(query?.get('sign')).toBe(signed(SECRET, `${timestamp}\n${SECRET}`));
    expect(query?.get('access_token')).toBe('t0ken');
  });

  it.each([
    ['slack', 403, 'invalid_token', 'notify chat: HTTP 403'],
    [
      'feishu',
      200,
      '{"code":19021,"msg":"sign match fail or timestamp is not within one hour"}',
      'notify chat: feishu answered 19021',
    ],
    ['dingtalk', 200, '{"errcode":310000,"errmsg":"sign not match"}', 'notify chat: dingtalk answered 310000'],
    ['wecom', 200, '{"errcode":93000,"errmsg":"invalid webhook url"}', 'notify chat: wecom answered 93000'],
  ])('that %s does not take is told, by its code alone', async (chat, status, body, expected) => {
    answer = { status, body };
    expect(await tell({ [chat]: { url: address } })).toBe(expected);
  });

  it.each([
    [{ slack: { urlEnv: 'NONE' } }, 'notify chat: urlEnv: the variable is not set (expected: an address)'],
    [{ slack: { urlEnv: 'BAD' } }, 'notify chat: no address (expected: http://host or https://host)'],
    [{ wecom: { urlFile: '/no/such/file' } }, 'notify chat: urlFile: ENOENT (expected: a file with an address)'],
    [
      { feishu: { urlEnv: 'GOOD', secretEnv: 'NONE' } },
      'notify chat: secretEnv: the variable is not set (expected: a secret)',
    ],
  ])('%j says what is missing, and no secret', async (hook, expected) => {
    expect(await tell(hook, { BAD: 'file:///etc/passwd', GOOD: address })).toBe(expected);
  });

  it('is short enough for each of them, whatever it says', () => {
    const text = chatText({ ...MESSAGE, message: '灰'.repeat(5_000) });
    expect(Buffer.byteLength(text)).toBeLessThanOrEqual(2_048);
    expect(text).toMatch(/^\[payments\] rollout taken back.*\(r1\)$/s);
  });
});
