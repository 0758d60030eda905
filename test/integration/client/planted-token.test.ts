import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import type { ReadableSpan } from '@opentelemetry/sdk-trace-node';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createGraylaneWith } from '../../../src/client/graylane';
import type { AdminHandler, ConsulOptions } from '../../../src/index';
import { closeAfterEach } from '../../support/closers';
import { startMetering } from '../../support/metering';
import { CHARGE, charge, paymentsClient } from '../../support/payments';
import { runScript } from '../../support/run-script';
import { healthEntry, reply, type ScriptedConsul, startScriptedConsul } from '../../support/scripted-consul';
import { startTracing } from '../../support/tracing';

const TOKEN = 'b1gsecret-4f3e-planted-token-9c21';
const PASSWORD = 'planted-password-77';

const opened = closeAfterEach();
const tracing = startTracing();
let folder: string;
/** Everything that a user could come to see, as text. */
let seen: string[];
const onWarning = (warning: Error): void => note('warning', warning);

function note(where: string, value: unknown, own: string[] = []): void {
  const say = (text: string): void => {
    seen.push(text);
    own.push(text);
  };
  say(`${where}: ${typeof value === 'string' ? value : inspect(value, { depth: 10, showHidden: true })}`);
  if (typeof value === 'object' && value !== null && !(value instanceof Error)) {
    // Channels of grpc-js hold circles: what cannot be written cannot leak that way.
    try {
      say(`${where}: ${JSON.stringify(value)}`);
    } catch {}
  }
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'graylane-planted-'));
  await writeFile(join(folder, 'token'), TOKEN);
  seen = [];
  for (const level of ['log', 'info', 'warn', 'error', 'debug'] as const) {
    vi.spyOn(console, level).mockImplementation((...parts: unknown[]) => note(`console.${level}`, parts.join(' ')));
  }
  process.on('warning', onWarning);
});

afterEach(async () => {
  vi.restoreAllMocks();
  process.off('warning', onWarning);
  await rm(folder, { recursive: true, force: true });
});

async function script(how: Parameters<ScriptedConsul['answer']>[0]): Promise<ScriptedConsul> {
  const consul = opened(await startScriptedConsul(), (one) => one.stop());
  consul.answer(how);
  return consul;
}

/** Opens a Graylane client, lets it fail or serve, looks wherever a user can, and gives all that there was to see. */
async function drive(consul: ConsulOptions, env: Readonly<Record<string, string>>): Promise<string> {
  const own: string[] = [];
  const see = (where: string, value: unknown): void => note(where, value, own);
  const log = (message: string, fields?: object): void => see('log', `${message} ${inspect(fields)}`);
  const metering = startMetering();
  const graylane = createGraylaneWith(
    {
      consul,
      stateDirectory: join(folder, 'state'),
      logger: { debug: log, info: log, warn: log, error: log },
      telemetry: { meterProvider: metering.provider },
    },
    { env: { CONSUL_HTTP_AUTH: `user:${PASSWORD}`, ...env } },
  );
  const admin = graylane.adminHandler();
  const client = paymentsClient(graylane.target('payments'), graylane.clientOptions());
  await graylane.ready('payments', { timeoutMs: 1_500 }).catch((error) => see('ready', error));
  await charge(client, {}, { deadline: Date.now() + 300 }).catch((error) => see('call', error));
  see('inspect()', graylane.inspect());
  see('graylane', graylane);
  see('client', client);
  see('options', graylane.clientOptions());
  try {
    see('explain()', graylane.explain('payments', { method: '/shop.v1.Payments/Charge' }));
  } catch (error) {
    see('explain()', error);
  }
  for (const path of ADMIN_PATHS) see(`admin ${path}`, ask(admin, path));
  const { names, points } = await metering.collect();
  expect(names).toContain('graylane.policy.index');
  for (const name of names) see(`metric ${name}`, points(name));
  client.close();
  await graylane.close();
  see('closed graylane', graylane);
  await charge(client).catch((error) => see('late call', error));
  return own.join('\n');
}

const ADMIN_PATHS = ['/inspect', `/explain?service=payments&method=${CHARGE}`, '/decisions', '/policy', '/nothing'];

/** What the handler answers, head and body. */
function ask(admin: AdminHandler, url: string): string {
  const said: string[] = [];
  const response = {
    statusCode: 0,
    setHeader: (name: string, value: string) => said.push(`${name}: ${value}`),
    end: (text: string) => said.push(text),
  };
  admin({ method: 'GET', url }, response);
  expect(said.length).toBeGreaterThan(1);
  return `${response.statusCode} ${said.join('\n')}`;
}

/** Spans whole: names, attributes, events, status. */
function noteSpans(): readonly ReadableSpan[] {
  const spans = tracing.take();
  for (const { name, attributes, events, status, links, resource } of spans) {
    note(`span ${name}`, { attributes, events, status, links, resource: resource.attributes });
  }
  return spans;
}

async function stateFiles(): Promise<readonly string[]> {
  const names = await readdir(join(folder, 'state'), { recursive: true }).catch(() => []);
  const texts: string[] = [];
  for (const name of names) texts.push(name + (await readFile(join(folder, 'state', name), 'utf8').catch(() => '')));
  return texts;
}

const sources: readonly [string, () => ConsulOptions, () => Record<string, string>][] = [
  ['a string', () => ({ token: TOKEN }), () => ({})],
  ['a function', () => ({ token: async () => TOKEN }), () => ({})],
  ['a file', () => ({ tokenFile: join(folder, 'token') }), () => ({})],
  ['CONSUL_HTTP_TOKEN', () => ({}), () => ({ CONSUL_HTTP_TOKEN: TOKEN })],
  ['CONSUL_HTTP_TOKEN_FILE', () => ({}), () => ({ CONSUL_HTTP_TOKEN_FILE: join(folder, 'token') })],
];

const echo = `request with X-Consul-Token: ${TOKEN} and Authorization: user:${PASSWORD}`;
const faults: readonly [string, RegExp, Parameters<ScriptedConsul['answer']>[0] | { readonly address: string }][] = [
  ['403 that echoes it', /HTTP 403: request with/, (_, response) => reply(response, { status: 403, body: echo })],
  ['500 that echoes it', /HTTP 500: request with/, (_, response) => reply(response, { status: 500, body: echo })],
  ['HTML that echoes it', /not JSON/, (_, response) => reply(response, { body: `<p>${echo}</p>` })],
  ['an object that echoes it', /not a JSON array/, (_, response) => reply(response, { index: '3', body: { echo } })],
  [
    'a redirect that carries it along',
    /redirects are not followed/,
    (_, response) => reply(response, { status: 302, headers: { location: `http://else/?token=${TOKEN}` }, body: '' }),
  ],
  [
    'half an answer',
    /cut short|ECONNRESET/,
    (_, response) => {
      response.writeHead(200, { 'x-consul-index': '3', 'content-length': '500' });
      response.write('[{', () => response.destroy());
    },
  ],
  ['no answer at all', /no answer|instances not known/, () => {}],
  ['refused connections', /ECONNREFUSED/, { address: 'http://127.0.0.1:9' }],
  ['TLS where there is none', /does not speak TLS/, { address: 'https' }],
];

describe('a planted token is nowhere to be found', () => {
  for (const [source, given, env] of sources) {
    it(`given as ${source}`, async () => {
      await Promise.all(
        faults.map(async ([what, reason, fault]) => {
          const consul = await script(typeof fault === 'function' ? fault : () => {});
          const elsewhere = typeof fault === 'function' ? consul.address : fault.address;
          const address = elsewhere === 'https' ? consul.address.replace('http', 'https') : elsewhere;
          const shown = await drive({ address, ...given() }, env());
          // It was in play, and the fault was the one that is meant.
          if (typeof fault === 'function') expect(consul.requests[0]?.token, what).toBe(TOKEN);
          expect(shown, what).toMatch(reason);
          // So does whoever asks the running process.
          expect(shown, what).toMatch(/admin \/inspect: 200 /);
        }),
      );
      // One call each, told with the reason why it was not served; none was begun after the Graylane client was closed.
      const spans = noteSpans();
      const calls = spans.filter(({ name }) => name === CHARGE.slice(1));
      expect(calls.length).toBeGreaterThanOrEqual(faults.length);
      expect(calls.filter(({ status }) => status.message !== undefined).length).toBeGreaterThanOrEqual(faults.length);
      expectNothing();
    });
  }

  it('by a program that shows everything, with all tracing of grpc-js on, and dies of it', async () => {
    const consul = await script((_, response) => reply(response, { status: 500, body: echo }));
    const ended = await runScript(join(__dirname, 'fixtures', 'planted.ts'), {
      CONSUL_HTTP_ADDR: consul.address,
      CONSUL_HTTP_TOKEN: TOKEN,
      CONSUL_HTTP_AUTH: `user:${PASSWORD}`,
      GRPC_TRACE: 'all',
      GRPC_VERBOSITY: 'DEBUG',
    });
    expect(consul.requests[0]?.token).toBe(TOKEN);
    expect(ended.code).toBe(1);
    expect(ended.stdout).toContain('HTTP 500: request with');
    expect(ended.stderr).toContain('DEADLINE_EXCEEDED');
    expect(ended.stderr).toContain('| channel |');
    seen.push(ended.stdout, ended.stderr);
    expectNothing();
  });

  it('while all is well, and in what is remembered on disk', async () => {
    const consul = await script((request, response) => {
      if (request.query.has('index')) return;
      if (request.path.startsWith('/v1/kv/')) reply(response, { status: 404, index: '4', body: '' });
      else reply(response, { index: '5', body: [healthEntry('p1', 9)] });
    });
    await drive({ address: consul.address, token: TOKEN }, {});
    expect(noteSpans().map(({ name }) => name)).toContain(`Attempt.${CHARGE.slice(1)}`);
    const files = await stateFiles();
    expect(files.join()).toContain('p1');
    seen.push(...files);
    expectNothing();
  });

  it('when the options that hold it are refused', () => {
    const wrong: readonly ConsulOptions[] = [
      { token: `${TOKEN}\n`, httpAuth: `${PASSWORD}\r` },
      { token: TOKEN, tokenFile: TOKEN },
      { address: `http://${PASSWORD}:${TOKEN}@host:1` },
      { tls: { key: TOKEN, passphrase: 7 as never, certFile: '' } },
    ];
    for (const consulOptions of wrong) {
      try {
        createGraylaneWith({ consul: consulOptions }, { env: {} });
        expect.fail('nothing was refused');
      } catch (error) {
        note('refused', error);
      }
    }
    expect(seen).toHaveLength(wrong.length);
    expectNothing();
  });
});

function expectNothing(): void {
  for (const secret of [TOKEN, PASSWORD, Buffer.from(`user:${PASSWORD}`).toString('base64')]) {
    const leak = seen.find((text) => text.includes(secret));
    const at = leak?.indexOf(secret) ?? 0;
    expect(leak?.slice(Math.max(0, at - 200), at + 60)).toBeUndefined();
  }
}
