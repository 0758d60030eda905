import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import picocolors from 'picocolors';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CommandIo } from '../../src/cli/io';
import { run } from '../../src/cli/program';
import { createGraylane, type Graylane, type PolicyDocument } from '../../src/index';
import { seededRandom } from '../../src/internal/random';
import { compilePolicy } from '../../src/policy/compile';
import { parsePolicyText } from '../../src/policy/parse-text';
import { PolicyError } from '../../src/policy/policy-error';
import { type ConsulCluster, startConsul } from '../support/consul/start';
import { printFact } from '../support/figure';
import {
  CHARGE,
  charge,
  type PaymentsClient,
  type PaymentsServer,
  paymentsClient,
  startPaymentsServer,
} from '../support/payments';
import { basePolicy, CALLS, harmlessEdits, SERVICE, type Slip, slips } from './policy-slips';

const SLIPS = 210;
const HARMLESS = 160;

/** Real servers in two datacenters, registered in a real Consul. */
const INSTANCES = [
  ...instances('dc1', 4, ['stable'], { version: 'v1' }),
  ...instances('dc1', 2, ['canary'], { version: 'v2' }),
  ...instances('dc1', 2, ['beta'], { version: 'v3', lane: 'beta' }),
  ...instances('dc2', 2, ['stable'], { version: 'v1' }),
];
let consul: ConsulCluster;
let folder: string;
const servers: PaymentsServer[] = [];
const seers: Seer[] = [];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'graylane-slips-'));
  consul = await startConsul({ datacenters: ['dc1', 'dc2'] });
  for (const { datacenter, id, tags, meta } of INSTANCES) {
    const server = await startPaymentsServer({ name: id, datacenter });
    servers.push(server);
    const { host: address, port } = server;
    await consul.dc(datacenter).register({ name: SERVICE, id, address, port, tags, meta });
  }
  await consul.dc('dc1').putKv(`graylane/policies/${SERVICE}`, JSON.stringify(basePolicy()));
  seers.push(seer(['dc1', 'dc2']), seer(undefined));
}, 120_000);

afterAll(async () => {
  for (const { graylane } of seers) await graylane.close();
  for (const server of servers) server.kill();
  await consul.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** A client of the SDK that makes real calls under a policy. */
interface Seer {
  readonly graylane: Graylane;
  readonly client: PaymentsClient;
}

function seer(datacenters: readonly string[] | undefined): Seer {
  const graylane = createGraylane({
    consul: { address: consul.dc('dc1').address },
    ...(datacenters === undefined ? {} : { datacenters }),
    logger: { debug() {}, info() {}, warn() {}, error() {} },
    stateDirectory: false,
    telemetry: false,
  });
  return { graylane, client: paymentsClient(graylane.target(SERVICE), graylane.clientOptions()) };
}

/** Calls that fail under the policy in some client; undefined: the SDK refuses it, so that the former one stays. */
async function failingCalls(document: object): Promise<readonly string[] | undefined> {
  let revision: string;
  try {
    ({ revision } = compilePolicy({ content: document, format: 'object' }, { service: SERVICE, origin: 'inline' }));
  } catch (error) {
    if (error instanceof PolicyError) return undefined;
    throw error;
  }
  const failed: string[] = [];
  for (const { graylane, client } of seers) {
    graylane.setPolicy(SERVICE, document as PolicyDocument);
    graylane.ready(SERVICE, { timeoutMs: 1 }).catch(() => {});
    await expect.poll(() => revisionInForce(graylane), { interval: 5, timeout: 10_000 }).toBe(revision);
    const outcomes = await Promise.allSettled(
      CALLS.map((labels) => charge(client, { ...labels }, { deadline: Date.now() + 10_000 })),
    );
    for (const [at, outcome] of outcomes.entries()) {
      if (outcome.status === 'rejected') failed.push(`${JSON.stringify(CALLS[at])}: ${String(outcome.reason)}`);
    }
  }
  return failed;
}

/** Of the plan that decides calls; undefined while nothing is known. */
function revisionInForce(graylane: Graylane): string | undefined {
  try {
    return graylane.explain(SERVICE, { method: CHARGE }).revision;
  } catch {
    return undefined;
  }
}

/** What the command says to it, run in this process: exit code and standard error. */
async function apply(text: string): Promise<{ readonly code: number; readonly stderr: string }> {
  const file = join(folder, 'payments.yaml');
  writeFileSync(file, text);
  let stderr = '';
  const io: CommandIo = {
    env: { CONSUL_HTTP_ADDR: consul.dc('dc1').address },
    isTerminal: false,
    columns: 80,
    rows: 24,
    colors: picocolors.createColors(false),
    exitCode: 0,
    line() {},
    write() {},
    json() {},
    jsonLine() {},
    table: async () => {},
    note: (line) => {
      stderr += `${line}\n`;
    },
    ask: async () => undefined,
    onKey: () => () => {},
    interrupted: new AbortController().signal,
  };
  const code = await run(['policy', 'apply', file, '--dry-run', '--allow-reshuffle'], io);
  return { code, stderr };
}

function instances(datacenter: string, count: number, tags: readonly string[], meta: Readonly<Record<string, string>>) {
  return Array.from({ length: count }, (_, at) => ({ datacenter, id: `${tags[0]}-${datacenter}-${at}`, tags, meta }));
}

describe('a slip in a policy', () => {
  it('is what real calls are held against: all of them are answered under the policy as it is', async () => {
    expect(await failingCalls(basePolicy())).toEqual([]);
    expect(await apply(JSON.stringify(basePolicy()))).toMatchObject({ code: 0, stderr: '' });
  });

  it(`that makes calls fail never goes through without --force: ${SLIPS} seeded`, { timeout: 600_000 }, async () => {
    const wentThrough: string[] = [];
    const counts = { harmful: 0, harmless: 0, invalid: 0, refused: 0 };
    for (const slip of slips(seededRandom(16), SLIPS)) {
      const { code } = await apply(slip.text);
      const { value } = parsePolicyText(slip.text, 'yaml');
      const failed = typeof value === 'object' && value !== null ? await failingCalls(value) : undefined;
      if (code !== 0) counts.refused += 1;
      if (failed === undefined) counts.invalid += 1;
      else if (failed.length === 0) counts.harmless += 1;
      else {
        counts.harmful += 1;
        if (code === 0) wentThrough.push(told(slip, failed));
      }
      if (failed === undefined) expect(code, told(slip, [])).toBe(1);
    }
    printFact('slips', JSON.stringify(counts));
    expect(wentThrough).toEqual([]);
    // Slips that hurt nobody would prove nothing.
    expect(counts.harmful).toBeGreaterThan(30);
  });

  it(`is not seen in ${HARMLESS} edits that people make`, { timeout: 300_000 }, async () => {
    const refused: string[] = [];
    for (const edit of harmlessEdits(seededRandom(17), HARMLESS)) {
      const { code, stderr } = await apply(edit.text);
      if (code !== 0) refused.push(`${edit.kind}: ${stderr}`);
    }
    printFact('harmless edits refused', `${refused.length} of ${HARMLESS}`);
    expect(refused.slice(Math.floor(HARMLESS * 0.02))).toEqual([]);
  });
});

function told({ kind, text }: Slip, failed: readonly string[]): string {
  return `${kind}: ${failed.slice(0, 2).join('; ')}\n${text}`;
}
