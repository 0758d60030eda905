import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type MetricsSources, measureRollout } from '../../../../../src/ops/rollout/analysis/measure-rollout';
import type { Measurement } from '../../../../../src/ops/rollout/analysis/subset-metrics';
import { NO_CONFIG, type ProviderConfig } from '../../../../../src/ops/rollout/config/controller-config';
import type { ValueCheck } from '../../../../../src/ops/rollout/document';
import { closeAfterEach } from '../../../../support/closers';

const afterTest = closeAfterEach();
const FIGURES = { canary: { calls: 10, failures: 1 }, stable: { calls: 90, failures: 0, openBreakers: 0 } };
const SECRET = 's3cret-t0ken';

async function serve(
  answer: (request: IncomingMessage, response: ServerResponse, body: string) => void,
): Promise<string> {
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += String(chunk);
    answer(request, response, body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  afterTest(server, (each) => {
    each.closeAllConnections();
    each.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function measure(
  provider: ProviderConfig | undefined,
  sources: Omit<MetricsSources, 'config'> = { env: {} },
  checks: readonly ValueCheck[] = [],
  signal?: AbortSignal,
): Promise<Measurement> {
  const common = {
    schema: 1,
    service: 'payments',
    canary: 'canary',
    stable: 'stable',
    steps: [{ setWeight: 5 }],
  } as const;
  const config = provider === undefined ? NO_CONFIG : { ...NO_CONFIG, providers: new Map([['mine', provider]]) };
  const document = provider === undefined ? common : { ...common, analysis: { provider: 'mine' } };
  const request = {
    service: 'payments',
    canary: 'canary',
    stable: 'stable',
    sinceMs: 1_000,
    nowMs: 2_000,
    checks,
    ...(signal === undefined ? {} : { signal }),
  };
  const measured = await measureRollout(document, request, { ...sources, config });
  if ('error' in measured) throw new Error(measured.error);
  return measured;
}

describe('a webhook', () => {
  it('is told what is asked, with its token in the header alone, and answers figures', async () => {
    let seen: unknown;
    const url = await serve((request, response, body) => {
      seen = { authorization: request.headers.authorization, method: request.method, body: JSON.parse(body) };
      response.end(JSON.stringify(FIGURES));
    });
    const sources = { env: { TOKEN: `${SECRET}\n` } };
    expect(await measure({ webhook: { url: `${url}/figures`, tokenEnv: 'TOKEN' } }, sources)).toEqual(FIGURES);
    expect(seen).toEqual({
      authorization: `Bearer ${SECRET}`,
      method: 'POST',
      body: { service: 'payments', canary: 'canary', stable: 'stable', sinceMs: 1_000, nowMs: 2_000 },
    });
  });

  it.each([
    [
      '{"canary":{"calls":1,"failures":2},"stable":{"calls":1,"failures":0}}',
      'canary.failures: 2 (expected: at most canary.calls)',
    ],
    ['{"canary":{"calls":1.5,"failures":0}}', 'canary.calls: 1.5 (expected: a whole number >= 0)'],
    ['{"canary":{"calls":1,"failures":0}}', 'stable: missing (expected: an object with calls and failures)'],
    [
      '{"canary":{"calls":1,"failures":0,"durations":{"boundsMs":[5,5],"counts":[1,0,0]}}}',
      'canary.durations.boundsMs[1]: 5 (expected: finite, > 0 and rising)',
    ],
    [
      '{"canary":{"calls":1,"failures":0,"durations":{"boundsMs":[5],"counts":[1]}}}',
      'canary.durations.counts: [1] (expected: a list with one more than boundsMs)',
    ],
    ['[]', 'canary: missing (expected: an object with calls and failures)'],
    ['<html>', '200 with a body that is not JSON (expected: JSON)'],
  ])('that answers %s is refused', async (body, expected) => {
    const url = await serve((_, response) => response.end(body));
    await expect(measure({ webhook: { url } })).rejects.toThrow(`provider mine: ${expected}`);
  });

  it('that fails, hangs, redirects or is not there is told by its name, without address or token', async () => {
    const env = { TOKEN: SECRET };
    const failing = await serve((_, response) => response.writeHead(503).end('{}'));
    const hanging = await serve(() => {});
    const moving = await serve((_, response) => response.writeHead(302, { location: failing }).end());
    const attempt = (url: string, timeoutMs = 10_000): Promise<string> =>
      measure({ webhook: { url: `${url}/hook?key=${SECRET}`, tokenEnv: 'TOKEN', timeoutMs } }, { env }).then(
        () => 'answered',
        (error: Error) => error.message,
      );
    const messages = await Promise.all([
      attempt(failing),
      attempt(hanging, 200),
      attempt(moving),
      attempt('http://127.0.0.1:1'),
    ]);
    expect(messages).toEqual([
      'provider mine: 503 (expected: 2xx)',
      'provider mine: no answer within 200 ms',
      expect.stringMatching(/^provider mine: /),
      expect.stringMatching(/^provider mine: /),
    ]);
    for (const hidden of [SECRET, 'http', 'hook']) expect(messages.join()).not.toContain(hidden);
    await expect(measure({ webhook: { url: failing, tokenEnv: 'TOKEN' } })).rejects.toThrow(
      'provider mine: tokenEnv: the variable is not set (expected: a token)',
    );
  });
});

describe('a command', () => {
  const node = (script: string, timeoutMs = 10_000): ProviderConfig => ({
    command: { run: [process.execPath, '-e', script], timeoutMs },
  });
  const echo = `let t='';process.stdin.on('data',(d)=>t+=d).on('end',()=>{const q=JSON.parse(t);console.log(JSON.stringify({canary:{calls:q.nowMs,failures:0},stable:{calls:q.sinceMs,failures:0}}))})`;

  it('reads the request and prints figures', async () => {
    expect(await measure(node(echo))).toMatchObject({ canary: { calls: 2_000 }, stable: { calls: 1_000 } });
  });

  it.each([
    ['console.error("no luck"); process.exit(3)', /: exit 3: no luck \(expected: 0\)$/],
    ['console.log("hm")', /: output that is not JSON \(expected: JSON\)$/],
    ['console.log("{}")', /: canary: missing \(expected: an object with calls and failures\)$/],
  ])('%s: says what is wrong', async (script, expected) => {
    await expect(measure(node(script))).rejects.toThrow(expected);
  });

  it('is killed when it takes too long, when it says too much and when nobody waits any more', async () => {
    const forever = 'setInterval(() => {}, 1000)';
    await expect(measure(node(forever, 300))).rejects.toThrow('no answer within 300 ms');
    await expect(measure(node('setInterval(() => process.stdout.write("x".repeat(1e5)), 1)'))).rejects.toThrow(
      'bytes of output',
    );
    await expect(measure(node(forever), undefined, [], AbortSignal.timeout(200))).rejects.toThrow('cancelled');
    await expect(measure({ command: { run: ['./not-there'] } })).rejects.toThrow('provider mine: ENOENT');
  });
});

describe('value checks', () => {
  it('are asked each on its own, and one that fails spoils nothing else', async () => {
    const url = await serve((_, response, body) => {
      const { check } = JSON.parse(body) as { check?: string };
      response.end(
        JSON.stringify(
          check === 'errors' ? { result: 'many' } : check === undefined ? FIGURES : { canary: 1, stable: 2.5 },
        ),
      );
    });
    const check = (name: string): ValueCheck => ({
      check: 'value',
      name,
      provider: 'mine',
      successCondition: '< 1',
    });
    expect(await measure({ webhook: { url } }, undefined, [check('queue'), check('errors')])).toEqual({
      ...FIGURES,
      values: {
        queue: { canary: 1, stable: 2.5 },
        errors: { error: 'provider mine: result: "many" (expected: a number)' },
      },
    });
  });

  it("need no figures of calls, which without a provider are the SDK's own", async () => {
    expect(await measure(undefined)).toEqual({});
    expect(await measure(undefined, { env: {}, clients: async () => FIGURES })).toEqual(FIGURES);
  });
});

describe('what a document says', () => {
  const env = { CONSUL_HTTP_TOKEN: SECRET };

  it('chooses among the providers of the configuration, and becomes nothing else', async () => {
    let requests = 0;
    const url = await serve((_, response) => {
      requests += 1;
      response.end(JSON.stringify(FIGURES));
    });
    // As whoever writes the key may leave it there, past every check of the command.
    const forged: readonly unknown[] = [
      { webhook: { url, tokenEnv: 'CONSUL_HTTP_TOKEN' } },
      { prometheus: { address: url, tokenEnv: 'CONSUL_HTTP_TOKEN' } },
      { command: { run: [process.execPath, '-e', `fetch('${url}')`] } },
      '__proto__',
      'constructor',
      url,
      ['mine'],
      null,
    ];
    for (const provider of forged) {
      const document = { schema: 1, service: 'x', canary: 'a', stable: 'b', steps: [], analysis: { provider } };
      const config = { ...NO_CONFIG, providers: new Map([['mine', { webhook: { url } }]]) };
      const check = { check: 'value', name: 'v', provider, successCondition: '> 1' } as unknown as ValueCheck;
      const request = { service: 'x', canary: 'a', stable: 'b', sinceMs: 0, nowMs: 1, checks: [check] };
      const outcome = JSON.stringify(await measureRollout(document as never, request, { config, env }));
      expect(outcome).toMatch(/not known to this controller \(expected: one of clients, mine\)/);
      expect(outcome).not.toContain(SECRET);
    }
    expect(requests).toBe(0);
  });

  it('gets the token of a file as it stands now, and the headers of the configuration', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'graylane-token-'));
    afterTest(folder, (path) => rm(path, { recursive: true }));
    const tokenFile = join(folder, 'token');
    const seen: unknown[] = [];
    const url = await serve((request, response) => {
      seen.push([request.headers.authorization, request.headers['x-scope-orgid']]);
      response.end(JSON.stringify(FIGURES));
    });
    const provider = { webhook: { url, tokenFile, headers: { 'X-Scope-OrgID': 'payments' } } };
    await expect(measure(provider)).rejects.toThrow('provider mine: tokenFile: ENOENT (expected: a file with a token)');
    for (const token of ['one', 'two']) {
      await writeFile(tokenFile, `${token}\n`);
      await measure(provider);
    }
    expect(seen).toEqual([
      ['Bearer one', 'payments'],
      ['Bearer two', 'payments'],
    ]);
  });
});
