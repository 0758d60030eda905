import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ServiceError } from '@grpc/grpc-js';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createGraylane, type Graylane, type GraylaneOptions } from '../../../src/index';
import { closeAfterEach } from '../../support/closers';
import { startConsul } from '../../support/consul/start';
import { charge, paymentsClient } from '../../support/payments';
import { policy, startTwoDatacenters, type TwoDatacenters } from './two-datacenters';

const closing = closeAfterEach();
const GOOD = JSON.stringify({ ...policy, locality: { failover: [] } });
const BAD =
  'schema: 1\nservice: payments\nsubsets: { stable: { tags: [stable] } }\nroutes:\n  - name: all\n    to: stabel\n';
let world: TwoDatacenters;
let folder: string;
let log: string[];

beforeEach(async () => {
  world = closing(await startTwoDatacenters(), (one) => one.kill());
  folder = mkdtempSync(join(tmpdir(), 'graylane-start-'));
  log = [];
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
  vi.unstubAllEnvs();
});

function open(options: GraylaneOptions): Graylane {
  const note = (message: string, fields?: object): void => void log.push(`${message} ${JSON.stringify(fields)}`);
  const logger = { debug() {}, info() {}, warn: note, error: note };
  return closing(createGraylane({ datacenters: ['dc1', 'dc2'], logger, ...options }), (one) => one.close());
}

function openFile(file: string): Graylane {
  return open({ instances: { payments: world.instances }, policies: { payments: { file } } });
}

/** The client is held to the end of the test: a service whose channels nobody holds is let go. */
async function canaryCalls(graylane: Graylane, calls = 60): Promise<number> {
  const opened = paymentsClient(graylane.target('payments'), graylane.clientOptions());
  const client = closing(opened, (one) => one.close());
  const replies = await Promise.all(Array.from({ length: calls }, () => charge(client)));
  return replies.filter(({ version }) => version === 'canary').length;
}

async function expired(graylane: Graylane): Promise<string> {
  const client = paymentsClient(graylane.target('payments'), graylane.clientOptions());
  const ended = await charge(client, {}, { deadline: Date.now() + 250 }).catch((error: ServiceError) => error);
  return String((ended as ServiceError).details);
}

describe('a policy that cannot be had at the start', () => {
  it('of a file that is missing in its folder is not "no policy": calls wait for it, the canary gets none', async () => {
    const file = join(folder, 'payments.yaml');
    const graylane = openFile(file);
    expect(await expired(graylane)).toContain(`payments: policy not known (${file}: no such file or directory)`);
    expect(log.join('\n')).toContain('policy cannot be read, none is known: calls wait, up to their deadlines');
    expect(log.join('\n')).toContain(file);
    expect(world.servers.map(({ calls }) => calls)).toEqual([0, 0, 0, 0]);
    writeFileSync(file, GOOD);
    expect(await canaryCalls(graylane)).toBe(0);
  });

  it('and a file that goes away later leaves the last one in force', async () => {
    const file = join(folder, 'payments.yaml');
    writeFileSync(file, GOOD);
    const graylane = openFile(file);
    expect(await canaryCalls(graylane)).toBe(0);
    renameSync(file, `${file}.old`);
    await expect.poll(() => graylane.inspect().services[0]?.policy.failure).toContain('no such file');
    expect(await canaryCalls(graylane)).toBe(0);
    expect(log.join('\n')).toContain('policy cannot be read, the last known stays');
  });

  it('says, when it is refused, that none is in force, what calls do meanwhile, and where the mistake stands', async () => {
    const file = join(folder, 'payments.yaml');
    writeFileSync(file, BAD);
    const graylane = openFile(file);
    const where = `${file}:6:5 routes[0].to: "stabel" (expected: one of stable; did you mean stable?)`;
    expect(await expired(graylane)).toContain(`payments: no policy is in force (refused: ${where})`);
    expect(log).toEqual([
      expect.stringContaining(
        'policy rejected, and none is in force: calls wait, up to their deadlines, for a good one',
      ),
    ]);
    expect(log[0]).toContain(JSON.stringify(where).slice(1, -1));
    writeFileSync(file, GOOD);
    expect(await canaryCalls(graylane)).toBe(0);
    writeFileSync(file, BAD);
    await expect.poll(() => log.join('\n')).toContain('policy rejected, the running one stays');
    expect(await canaryCalls(graylane)).toBe(0);
  });

  it('goes by what an earlier process went by when the newest in Consul is refused', async () => {
    const consul = closing(await startConsul(), (one) => one.stop());
    const dc1 = consul.dc('dc1');
    for (const { id, address, port, tags } of world.instances.filter(({ datacenter }) => datacenter === 'dc1')) {
      await dc1.register({ name: 'payments', id: String(id), address, port, tags: tags ?? [] });
    }
    await dc1.putKv('graylane/policies/payments', GOOD);
    const options = { consul: { address: dc1.address }, datacenters: ['dc1'], stateDirectory: folder };
    const former = open(options);
    expect(await canaryCalls(former)).toBe(0);
    const revision = former.inspect().services[0]?.policy.revision;
    await former.close();
    await dc1.putKv('graylane/policies/payments', GOOD.replace('"default":"stable"', '"default":"stabel"'));
    const graylane = open(options);
    expect(await canaryCalls(graylane)).toBe(0);
    const { policy: inForce } = graylane.inspect().services[0] ?? {};
    expect(inForce).toMatchObject({ revision, rejected: { place: 'Consul KV graylane/policies/payments' } });
  });
});

describe('GRAYLANE_OVERRIDE', () => {
  it.each([
    ['payments:canray', /an override is not applied .*override.to: \\"canray\\" .*did you mean canary\?/],
    ['paymnets:canary', /does not name this service, but one that is spelt alike .*"named":"paymnets"/],
    ['payments:datacenter=dc22', /override.datacenter: dc22 has no usable instance of stable/],
  ])('%s is told, and calls go as without it', async (text, told) => {
    vi.stubEnv('GRAYLANE_OVERRIDE', text);
    const file = join(folder, 'payments.yaml');
    writeFileSync(file, GOOD);
    const graylane = openFile(file);
    expect(await canaryCalls(graylane)).toBe(0);
    expect(log.filter((line) => told.test(line))).toHaveLength(1);
  });

  it('names no service twice', () => {
    vi.stubEnv('GRAYLANE_OVERRIDE', 'payments:stable,payments:canary');
    expect(() => open({ instances: {} })).toThrow('GRAYLANE_OVERRIDE: payments twice');
  });
});
