import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type ControllerConfig,
  type GateConfig,
  NO_CONFIG,
} from '../../../../../src/ops/rollout/config/controller-config';
import { askGate, createGateKeeper, type GateQuestion } from '../../../../../src/ops/rollout/gates/ask-gate';
import type { GateAnswer } from '../../../../../src/ops/rollout/gates/passage';

const QUESTION: GateQuestion = {
  ...{ id: 'r1/3/board', gate: 'board', when: 'before-step', service: 'payments', rollout: 'r1' },
  ...{ step: 3, canary: 'canary', stable: 'stable', weight: 5 },
};

let server: Server;
let answer: { readonly status: number; readonly body?: string; readonly delayMs?: number } = { status: 200 };
const got: { readonly body: unknown; readonly token: string | undefined }[] = [];

beforeAll(async () => {
  server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += String(chunk);
    got.push({ body: JSON.parse(body) as unknown, token: request.headers.authorization });
    await pause(answer.delayMs ?? 0);
    response.writeHead(answer.status).end(answer.body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

function configOf(gate: GateConfig): ControllerConfig {
  return { ...NO_CONFIG, gates: new Map([['board', gate]]) };
}

function webhook(timeoutMs = 5_000): ControllerConfig {
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  return configOf({ webhook: { url, tokenEnv: 'TOKEN', timeoutMs } });
}

const env = { TOKEN: 's3cret' };

type Said = [said: typeof answer, expected: Partial<GateAnswer>];

describe('a gate', () => {
  it.each<Said>([
    [{ status: 204 }, { kind: 'open' }],
    [{ status: 200, body: 'ok' }, { kind: 'open' }],
    [
      { status: 200, body: '{"message":"CHG-1"}' },
      { kind: 'open', message: 'CHG-1' },
    ],
    [{ status: 200, body: '{"state":"open"}' }, { kind: 'open' }],
    [
      { status: 200, body: '{"state":"closed","message":"board meets at 3"}' },
      { kind: 'closed', message: 'board meets at 3' },
    ],
    [
      { status: 200, body: '{"state":"refused","message":"no"}' },
      { kind: 'refused', message: 'no' },
    ],
    [
      { status: 200, body: '{"state":"perhaps"}' },
      { kind: 'error', message: 'state: perhaps (expected: open, closed or refused)' },
    ],
    [{ status: 200, body: '{"state":"constructor"}' }, { kind: 'error' }],
    ...[403, 409, 423, 425, 429].map((status) => [{ status }, { kind: 'closed' }] as Said),
    ...[400, 404, 500, 503, 301].map(
      (status) =>
        [
          { status, body: '{"state":"open"}' },
          { kind: 'error', message: `HTTP ${status} (expected: 2xx)` },
        ] as Said,
    ),
  ])('of a webhook that answers %j is %j', async (said, expected) => {
    answer = said;
    expect(await askGate(QUESTION, { config: webhook(), env })).toMatchObject(expected);
    expect(got.at(-1)).toEqual({ body: QUESTION, token: 'Bearer s3cret' });
  });

  it.each([
    ['cat >/dev/null; echo testing; echo all well', { kind: 'open', message: 'all well' }],
    ['exit 0', { kind: 'open' }],
    ['echo later; exit 75', { kind: 'closed', message: 'later' }],
    ['echo 3 of 40 failed; exit 1', { kind: 'refused', message: '3 of 40 failed' }],
    ['exit 3', { kind: 'refused', message: 'exit 3' }],
    ['grep -q r1/3/board', { kind: 'open' }],
    ['kill -9 $$', { kind: 'error' }],
    ['sleep 30', { kind: 'error', message: 'no answer within 400 ms' }],
  ])('of a program that does %s is %j', async (line, expected) => {
    const config = configOf({ command: { run: ['sh', '-c', line], timeoutMs: line === 'sleep 30' ? 400 : 20_000 } });
    expect(await askGate(QUESTION, { config, env })).toMatchObject(expected);
  });

  it('that the controller does not have, or that cannot be asked, is an error without an address', async () => {
    expect(await askGate({ ...QUESTION, gate: '__proto__' }, { config: webhook(), env })).toEqual({
      kind: 'error',
      message: 'not known to this controller (expected: one of its gates; board)',
    });
    const gone = await askGate(QUESTION, { config: configOf({ webhook: { url: 'http://127.0.0.1:9/x' } }), env });
    expect(gone).toEqual({ kind: 'error', message: expect.stringMatching(/^ECONNREFUSED$|^bad port$/) });
    const absent = await askGate(QUESTION, { config: configOf({ command: { run: ['/no/such/program'] } }), env });
    expect(absent).toEqual({ kind: 'error', message: 'ENOENT' });
    const secret = await askGate(QUESTION, { config: webhook(), env: {} });
    expect(secret).toEqual({ kind: 'error', message: 'tokenEnv: the variable is not set (expected: a token)' });
  });

  it('is asked once while it is at it, and again after its answer', async () => {
    answer = { status: 200, delayMs: 1_200 };
    const before = got.length;
    const keeper = createGateKeeper({ config: webhook(), env });
    let unanswered = 0;
    const answered = async (): Promise<GateAnswer> => {
      for (;;) {
        const said = await keeper.ask(QUESTION);
        if (said !== undefined) return said;
        unanswered += 1;
      }
    };
    expect(await answered()).toEqual({ kind: 'open' });
    expect(unanswered).toBeGreaterThan(0);
    expect(got.length - before).toBe(1);
    answer = { status: 403 };
    expect(await answered()).toEqual({ kind: 'closed' });
    expect(got.length - before).toBe(2);
  });

  it('is given up when the controller ends', async () => {
    const end = new AbortController();
    const keeper = createGateKeeper(
      { config: configOf({ command: { run: ['sleep', '60'], timeoutMs: 60_000 } }), env },
      end.signal,
    );
    expect(await keeper.ask(QUESTION)).toBeUndefined();
    end.abort();
    await expect.poll(() => keeper.ask(QUESTION), { timeout: 15_000 }).toEqual({ kind: 'error', message: 'cancelled' });
  });
});
