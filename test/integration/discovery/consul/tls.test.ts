import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../../../src/base/clock';
import { createConsulClient } from '../../../../src/consul/client';
import { type ConsulOptions, parseConsulOptions } from '../../../../src/consul/options';
import { type Authority, createAuthority, type Issued } from '../../../support/certificates';
import { closeAfterEach } from '../../../support/closers';
import { type ConsulCluster, type ConsulDatacenter, startConsul } from '../../../support/consul/start';

const opened = closeAfterEach();
const clusters: ConsulCluster[] = [];
const agents = new Map<string, ConsulDatacenter>();
let folder: string;
let authority: Authority;
let own: Issued;

const agent = (name: string): ConsulDatacenter => agents.get(name) as ConsulDatacenter;
const file = async (name: string, content: string): Promise<string> => {
  await writeFile(join(folder, name), content);
  return join(folder, name);
};

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'graylane-tls-'));
  authority = createAuthority();
  own = authority.issue({ names: ['orders'] });
  await Promise.all([file('ca.pem', authority.ca), file('own.pem', own.cert), file('own-key.pem', own.key)]);
  const start = async (name: string, issued: Issued, verifyIncoming: boolean): Promise<void> => {
    const certFile = await file(`${name}.pem`, issued.cert);
    const keyFile = await file(`${name}-key.pem`, issued.key);
    const cluster = await startConsul({ tls: { caFile: join(folder, 'ca.pem'), certFile, keyFile, verifyIncoming } });
    clusters.push(cluster);
    agents.set(name, cluster.dc('dc1'));
  };
  // Agents choose their addresses when they start, so certificates are for a name.
  const names = ['server.dc1.consul'];
  await Promise.all([
    start('mutual', authority.issue({ names }), true),
    start('named', authority.issue({ names }), false),
    start('expired', authority.issue({ names, validForMs: -60_000 }), false),
  ]);
});

afterAll(async () => {
  await Promise.all(clusters.map((cluster) => cluster.stop()));
  await rm(folder, { recursive: true, force: true });
});

function open(options: ConsulOptions, env: Readonly<Record<string, string>> = {}) {
  const client = createConsulClient(parseConsulOptions(options, env), { clock: systemClock });
  return opened(client, (each) => each.close());
}

/** What Consul says against a certificate of ours may be overtaken by the end of the connection. */
async function refusalOf(options: ConsulOptions) {
  const client = open(options);
  let answer = await client.get(question);
  for (let again = 0; again < 10 && JSON.stringify(answer).includes('ECONNRESET'); again += 1) {
    answer = await client.get(question);
  }
  return answer;
}

const question = { path: '/health/service/{service}', params: { service: 'consul' }, timeLimitMs: 5000 };
const trusted = () => ({ caFile: join(folder, 'ca.pem'), servername: 'server.dc1.consul' });
const mutual = () => ({ ...trusted(), certFile: join(folder, 'own.pem'), keyFile: join(folder, 'own-key.pem') });

describe('TLS to a real Consul', () => {
  it('verifies the certificate against files, against PEM in options, and as the environment says', async () => {
    const { secureAddress } = agent('named');
    const pem = { ca: authority.ca, servername: 'server.dc1.consul' };
    expect(await open({ address: secureAddress, tls: trusted() }).get(question)).toMatchObject({ status: 200 });
    expect(await open({ address: secureAddress, tls: pem }).get(question)).toMatchObject({ status: 200 });
    const env = {
      CONSUL_HTTP_ADDR: secureAddress.replace('https://', ''),
      CONSUL_HTTP_SSL: 'true',
      CONSUL_CACERT: join(folder, 'ca.pem'),
      CONSUL_TLS_SERVER_NAME: 'server.dc1.consul',
    };
    expect(await open({}, env).get(question)).toMatchObject({ status: 200 });
    expect(
      await open({}, { ...env, CONSUL_CACERT: '', CONSUL_TLS_SERVER_NAME: '', CONSUL_HTTP_SSL_VERIFY: 'false' }).get(
        question,
      ),
    ).toMatchObject({ status: 200 });
    const capath = await mkdtemp(join(folder, 'ca-'));
    await writeFile(join(capath, 'one.pem'), authority.ca);
    expect(await open({}, { ...env, CONSUL_CACERT: '', CONSUL_CAPATH: capath }).get(question)).toMatchObject({
      status: 200,
    });
  });

  it('shows a certificate of its own where Consul asks for one', async () => {
    const { secureAddress } = agent('mutual');
    expect(await open({ address: secureAddress, tls: mutual() }).get(question)).toMatchObject({ status: 200 });
    const env = {
      CONSUL_HTTP_ADDR: secureAddress,
      CONSUL_CACERT: join(folder, 'ca.pem'),
      CONSUL_TLS_SERVER_NAME: 'server.dc1.consul',
      CONSUL_CLIENT_CERT: join(folder, 'own.pem'),
      CONSUL_CLIENT_KEY: join(folder, 'own-key.pem'),
    };
    expect(await open({}, env).get(question)).toMatchObject({ status: 200 });
    expect(await refusalOf({ address: secureAddress, tls: trusted() })).toMatchObject({
      kind: 'failure',
      reason: expect.stringMatching(/^ERR_SSL_.*: (it refuses our certificate|no agreement on TLS)/),
    });
    const stranger = createAuthority('somebody else').issue({ names: ['orders'] });
    const { cert, key } = stranger;
    expect(await refusalOf({ address: secureAddress, tls: { ...trusted(), cert, key } })).toMatchObject({
      kind: 'failure',
      reason: expect.stringMatching(/^ERR_SSL_.*: it refuses our certificate$/),
    });
  });

  const refusals: readonly [string, () => ConsulOptions, RegExp][] = [
    [
      'an authority that is not trusted',
      () => ({
        address: agent('named').secureAddress,
        tls: { servername: 'server.dc1.consul', ca: createAuthority('else').ca },
      }),
      /^UNABLE_TO_VERIFY_LEAF_SIGNATURE https:.*: its certificate is not from a trusted authority/,
    ],
    [
      'an expired certificate',
      () => ({ address: agent('expired').secureAddress, tls: trusted() }),
      /^CERT_HAS_EXPIRED https:.*: its certificate has expired$/,
    ],
    [
      'a certificate for another name',
      () => ({ address: agent('named').secureAddress, tls: { caFile: join(folder, 'ca.pem') } }),
      /^ERR_TLS_CERT_ALTNAME_INVALID https:.*: its certificate is for another name/,
    ],
    [
      'an agent that speaks no TLS',
      () => ({ address: agent('named').address.replace('http:', 'https:'), tls: trusted() }),
      /^(EPROTO|ERR_SSL_[A-Z_]+) https:.*: it does not speak TLS there$/,
    ],
    [
      'a file that is not there',
      () => ({ address: agent('named').secureAddress, tls: { ...trusted(), caFile: '/nowhere/ca.pem' } }),
      /^consul\.tls\.caFile: \/nowhere\/ca\.pem: ENOENT \(expected: a readable file\)$/,
    ],
    [
      'a file that is no certificate',
      () => ({ address: agent('named').secureAddress, tls: { ...trusted(), caFile: __filename } }),
      /^consul\.tls\.caFile: .*tls\.test\.ts: \(expected: PEM text\)$/,
    ],
    [
      'a key of another certificate',
      () => ({
        address: agent('mutual').secureAddress,
        tls: { ...trusted(), cert: own.cert, keyFile: join(folder, 'named-key.pem') },
      }),
      /^consul\.tls\.caFile: .*, consul\.tls\.cert, consul\.tls\.keyFile: .*: ERR_OSSL.* \(expected: PEM that fits/,
    ],
  ];
  for (const [what, options, reason] of refusals) {
    it(`${what}: fails, says why, and is never answered in plaintext`, async () => {
      const answer = await open(options()).get(question);
      expect(answer).toEqual({ kind: 'failure', status: undefined, reason: expect.stringMatching(reason) });
    });
  }

  it('takes certificates that are rotated on disk, and one that appears late, for the next connection', async () => {
    const caFile = join(folder, 'late.pem');
    const client = open({ address: agent('named').secureAddress, tls: { ...trusted(), caFile } });
    expect(await client.get(question)).toMatchObject({ kind: 'failure', reason: expect.stringContaining('ENOENT') });
    await writeFile(caFile, createAuthority('the old one').ca);
    expect(await client.get(question)).toMatchObject({
      kind: 'failure',
      reason: expect.stringContaining('UNABLE_TO_VERIFY_LEAF_SIGNATURE'),
    });
    await writeFile(`${caFile}.new`, authority.ca);
    await rename(`${caFile}.new`, caFile);
    expect(await client.get(question)).toMatchObject({ kind: 'answer', status: 200 });
  });

  it('is told by a Consul without namespaces that it has none', async () => {
    const { address } = agent('named');
    expect(await open({ address, namespace: 'team-a' }).get(question)).toMatchObject({
      kind: 'failure',
      status: 400,
      reason: expect.stringMatching(/^HTTP 400: .*"ns".*Enterprise/),
    });
  });
});
