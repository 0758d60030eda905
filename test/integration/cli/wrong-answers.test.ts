import type { AddressInfo } from 'node:net';
import { createServer as createTcpServer, type Server } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { reply, type ScriptedAnswer, type ScriptedConsul, startScriptedConsul } from '../../support/scripted-consul';
import { commandWorld, policyOf } from './two-datacenters';

/** What stands where Consul should, and is none. */
const ANSWERS: Readonly<Record<string, ScriptedAnswer>> = {
  'a page with 200, as of a log-in': { status: 200, body: '<!DOCTYPE html><html><body>Sign in</body></html>' },
  'a page with 503, as of a proxy': { status: 503, body: '<html><head><title>503 Away</title></head></html>' },
  '404 without an index': { status: 404, body: 'not found' },
  'a redirect': { status: 302, headers: { location: 'http://127.0.0.1:1/' }, body: '' },
  'an empty object': { status: 200, body: '{}' },
  'text with 401': { status: 401, body: 'Unauthorized' },
};

const world = commandWorld({ datacenters: ['dc1'] });
let scripted: ScriptedConsul;
/** Speaks first, and no HTTP. */
let ssh: Server;
let lines: Readonly<Record<string, readonly string[]>>;

beforeAll(async () => {
  scripted = await startScriptedConsul();
  ssh = createTcpServer((socket) => void socket.on('error', () => {}).write('SSH-2.0-OpenSSH_9.2\r\n'));
  await new Promise<void>((resolve) => ssh.listen(0, '127.0.0.1', resolve));
  const file = world.file('payments.json', policyOf('payments'));
  lines = {
    'policy list': [],
    'policy get': ['payments'],
    'policy log': ['payments'],
    'policy apply': [file, '-m', 'why'],
    'policy diff': [file],
    'policy rollback': ['payments', '-m', 'why'],
    'policy validate': [file, '--consul'],
    weight: ['payments', 'canary', '25', '-m', 'why'],
    init: ['payments'],
    'override list': [],
    'lists list': [],
    'lists show': ['vip'],
    'lane list': [],
    'drill list': [],
    'rollout status': [],
    'rollout start': ['payments', '--weights', '5,50'],
    'waves status': [],
  };
});
afterAll(async () => {
  await scripted.stop();
  ssh.close();
});

describe('a command that something else than Consul answers', () => {
  it.each(Object.keys(ANSWERS))('says so, ends with 2 and takes it for no fact: %s', async (what) => {
    scripted.answer((_, response) => reply(response, ANSWERS[what] as ScriptedAnswer));
    const wrong: string[] = [];
    for (const [command, args] of Object.entries(lines)) {
      const { code, stdout, stderr } = await world.run([...command.split(' '), ...args], {
        env: { CONSUL_HTTP_ADDR: scripted.address },
      });
      const isTold =
        /; (something else answers there|look at the agent's log|give a token|check that the token has)/.test(stderr);
      if (code !== 2 || stdout !== '' || !isTold || /GRAYLANE_DEBUG/.test(stderr)) {
        wrong.push(`${command}: ${code} ${stdout}${stderr}`);
      }
    }
    expect(wrong).toEqual([]);
  });

  it.each(Object.keys(ANSWERS))('is told by the doctor, too: %s', async (what) => {
    scripted.answer((_, response) => reply(response, ANSWERS[what] as ScriptedAnswer));
    const { code, stdout } = await world.run(['doctor', 'payments'], { env: { CONSUL_HTTP_ADDR: scripted.address } });
    expect([code, stdout]).toEqual([1, expect.stringMatching(/^problem +consul: http/m)]);
    expect(stdout).not.toMatch(/no leader|ok +consul/);
  });

  it('is told where no HTTP is spoken', async () => {
    const address = `http://127.0.0.1:${(ssh.address() as AddressInfo).port}`;
    const { code, stderr } = await world.run(['policy', 'list'], { env: { CONSUL_HTTP_ADDR: address } });
    expect([code, stderr]).toEqual([2, expect.stringMatching(/it does not speak HTTP there; something else answers/)]);
  });

  it('keeps what a page says to its title', async () => {
    scripted.answer((_, response) => reply(response, ANSWERS['a page with 503, as of a proxy'] as ScriptedAnswer));
    const { stderr } = await world.run(['policy', 'list'], { env: { CONSUL_HTTP_ADDR: scripted.address } });
    expect(stderr).toContain('HTTP 503: a page of HTML, not of Consul (503 Away)');
  });
});
