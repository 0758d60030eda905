import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { closeAfterEach } from '../../support/closers';
import { type ScriptedConsul, startScriptedConsul } from '../../support/scripted-consul';
import { type CommandEnded, graylane } from './built-command';

const opened = closeAfterEach();
const recorded = JSON.parse(
  readFileSync(join(__dirname, '..', 'policy', 'chain', 'recorded', 'newer-server.json'), 'utf8'),
) as Record<string, unknown>;

/** What a server of this project's own cannot be made to say: chains of newer ones, and chains that are not sound. */
async function answering(status: number, body: unknown): Promise<ScriptedConsul> {
  const consul = opened(await startScriptedConsul(), (one) => one.stop());
  consul.answer((_, response) => {
    response.writeHead(status, { 'X-Consul-Index': '7' });
    response.end(typeof body === 'string' ? body : JSON.stringify(body));
  });
  return consul;
}

async function run(command: string, status: number, body: unknown): Promise<CommandEnded> {
  const consul = await answering(status, body);
  return graylane(['policy', command, String(recorded['ServiceName']), '--consul', consul.address]);
}

describe.each(['lint-chain', 'import-chain'])('graylane policy %s', (command) => {
  it('ends with 1 for a chain that is not sound, and names what is wrong with it', async () => {
    const { code, stdout, stderr } = await run(command, 200, { Chain: { ...recorded, StartNode: 'nowhere' } });
    expect(code).toBe(1);
    expect(stdout + stderr).toContain('StartNode: "nowhere" (expected: a node of the chain)');
  });

  it('reads what newer servers write, and names every field that is not honoured', async () => {
    const { code, stdout, stderr } = await run(command, 200, { Chain: recorded });
    expect(code).toBe(command === 'lint-chain' ? 1 : 3);
    expect(stdout + stderr).toMatch(/Destination\.\w+: |LoadBalancer\.\w+: |Failover/);
  });

  it.each([
    [403, 'Permission denied', 'HTTP 403', 'check that the servers have connect.enabled'],
    [500, 'Connect must be enabled', 'Connect must be enabled', 'check that the servers have connect.enabled'],
    [200, '<html>', 'the answer is not JSON', 'something else answers there'],
    [200, '{}', 'the answer is not a discovery chain', 'something else answers there'],
  ])('ends with 2 where there is none to read: %i %s', async (status, body, reason, next) => {
    const { code, stderr } = await run(command, status, body);
    expect(code).toBe(2);
    expect(stderr).toContain(reason);
    expect(stderr).toContain(next);
  });
});
