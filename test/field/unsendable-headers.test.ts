import * as grpc from '@grpc/grpc-js';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { noteUnsent } from '../../src/client/balancer/attempts/attempt';
import { type CallReport, createGraylane, type Graylane } from '../../src/index';
import { compileChainMatch, compileHeaders } from '../../src/policy/chain/match';
import { ChainReport } from '../../src/policy/chain/report';
import { validatePolicy } from '../../src/policy/validate';
import { closeAfterEach } from '../support/closers';
import { charge, type PaymentsServer, paymentsClient, startPaymentsServer } from '../support/payments';

const opened = closeAfterEach();
/** RFC 9113, 8.2.2, and what Node's HTTP/2 throws at. */
const OF_CONNECTIONS = [
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
  'te',
];
const OF_THE_TRANSPORT = ['host', 'content-length', 'content-type', 'user-agent', 'expect', 'trailer'];
const OF_OTHERS = ['grpc-timeout', 'x-data-bin', ':authority', ':path', 'a b', 'ä'];
const NO_LABELS = [...OF_CONNECTIONS, ...OF_THE_TRANSPORT, ...OF_OTHERS];
/** One value alone, as Node has it. */
const SINGLE = ['from', 'etag', 'age', 'referer', 'date', 'location', 'content-encoding', 'x-content-type-options'];

let server: PaymentsServer;
let warnings: string[];

beforeEach(async () => {
  server = await startPaymentsServer({ name: 'p1' });
  warnings = [];
});
afterEach(() => server.kill());

function open(more: Parameters<typeof createGraylane>[0] = {}): Graylane {
  const warn = (message: string, fields?: object): void => void warnings.push(`${message} ${JSON.stringify(fields)}`);
  const graylane = createGraylane({
    instances: { payments: [{ address: server.host, port: server.port }] },
    logger: { debug() {}, info() {}, warn, error: warn },
    ...more,
  });
  return opened(graylane, (each) => each.close());
}

/** Anyhow written, as people copy it from elsewhere. */
const spelt = (name: string): string => name.replace(/(^|-)[a-z]/g, (start) => start.toUpperCase());

describe('a name that no call can bear', () => {
  it.each(NO_LABELS)('is refused wherever a label is named: %s', (name) => {
    for (const given of [name, spelt(name)]) {
      expect(() => createGraylane({ labels: { [given]: 'x' }, instances: {} })).toThrow(/labels.*\(expected: /);
      const graylane = open();
      expect(() => graylane.labels({ [given]: 'x' })).toThrow(/\(expected: /);
      expect(() => graylane.metadata({ [given]: 'x' })).toThrow(/\(expected: /);
      expect(() => graylane.with({ labels: { [given]: 'x' } }, () => {})).toThrow(/\(expected: /);
      expect(() => graylane.serverInterceptor({ accept: [given] })).toThrow(/accept\[0\].*\(expected: /);
      expect(() => graylane.httpMiddleware({ accept: [given] })).toThrow(/accept\[0\].*\(expected: /);
      const policy = {
        ...{ schema: 1, service: 'payments', default: 'a', subsets: { a: {}, b: { tags: ['b'] } } },
        balancing: { algorithm: 'ring_hash', hashBy: given },
        routes: [
          { name: 'one', match: { labels: { [given]: 'x' } }, to: 'a' },
          { name: 'two', match: { sample: { by: given, percent: 1 } }, to: 'b' },
          { name: 'three', split: [{ to: 'a', weight: 1 }], stickBy: given },
        ],
      };
      const paths = validatePolicy(policy, { service: 'payments' }).problems.map(({ path }) => path);
      expect(paths).toContainEqual(expect.stringMatching(/^routes\[0\]\.match\.labels/));
      expect(paths).toEqual(
        expect.arrayContaining(['routes[1].match.sample.by', 'routes[2].stickBy', 'balancing.hashBy']),
      );
    }
  });

  it.each(NO_LABELS)('is left out of what a config entry sets, and told with its place: %s', (name) => {
    const given = spelt(name);
    const report = new ChainReport();
    const changes = compileHeaders({ Add: { [given]: 'x' }, Set: { [given]: 'x' }, Remove: [given] }, 'H', report);
    expect(changes).toBeUndefined();
    expect(report.warnings.map(({ path }) => path)).toEqual([
      `H.Remove[0]`,
      `H.Add[${JSON.stringify(given)}]`,
      `H.Set[${JSON.stringify(given)}]`,
    ]);
    const match = { Match: { HTTP: { Header: [{ Name: given, Present: true }] } } };
    const told = new ChainReport();
    compileChainMatch(match, 'Routes[0]', told);
    expect(told.warnings.map(({ path }) => path)).toContain('Routes[0].Match.HTTP.Header[0].Name');
  });
});

describe('a call that bears it all the same', () => {
  /** Another caller's call goes over the same connection, and must not notice. */
  async function callWith(graylane: Graylane, fill: (metadata: grpc.Metadata) => void, options: grpc.CallOptions = {}) {
    const client = opened(paymentsClient(graylane.target('payments'), graylane.clientOptions()), (each) =>
      each.close(),
    );
    await charge(client);
    const beside = client.watch({ count: 2, intervalMs: 300 });
    const ended = new Promise<unknown>((resolve) => {
      beside.on('data', () => {});
      beside.on('error', resolve);
      beside.on('end', () => resolve('whole'));
    });
    const reports: CallReport[] = [];
    const metadata = new grpc.Metadata();
    fill(metadata);
    const deadline = Date.now() + 5_000;
    const call = new Promise<string>((resolve) => {
      graylane.with({ observe: (report) => void reports.push(report) }, () =>
        client.charge({}, metadata, { deadline, ...options }, (error, reply) =>
          resolve(error?.message ?? reply.servedBy),
        ),
      );
    });
    const outcome = await call;
    return { outcome, attempts: reports[0]?.attempts.length, beside: await ended, opened: server.sessions.opened };
  }
  const WELL = { outcome: 'p1', attempts: 1, beside: 'whole', opened: 1 };

  it('of its own metadata is made once, without, and told once', async () => {
    const graylane = open();
    const names = [...OF_CONNECTIONS, ...OF_THE_TRANSPORT];
    expect(
      await callWith(graylane, (metadata) => {
        for (const name of names) metadata.set(name, 'close');
        for (const name of SINGLE) for (const value of ['a', 'b']) metadata.add(name, value);
      }),
    ).toEqual(WELL);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatch(/^a header that HTTP\/2 does not let a call send is left out/);
  });

  it.each([...OF_CONNECTIONS.slice(0, -1), ...SINGLE])('of its own metadata, by itself: %s', async (name) => {
    const graylane = open();
    expect(
      await callWith(graylane, (metadata) => {
        metadata.add(name, 'a');
        metadata.add(name, 'b');
      }),
    ).toEqual(WELL);
    expect(warnings[0]).toContain(`"header":"${name}"`);
  });

  it('of its credentials is made once, without', async () => {
    const metadata = new grpc.Metadata();
    for (const name of OF_CONNECTIONS) metadata.set(name, 'close');
    const credentials = grpc.credentials.createFromMetadataGenerator((_, callback) => callback(null, metadata));
    expect(await callWith(open(), () => {}, { credentials })).toEqual(WELL);
  });
});

describe('an attempt that the transport throws at', () => {
  const throwing = (code: string | undefined) => Object.assign(new Error('no'), code === undefined ? {} : { code });
  const tries = (code: string | undefined): number => {
    const call = { unsent: 0, unsentReason: undefined as string | undefined };
    while (call.unsentReason === undefined && call.unsent < 1_000) noteUnsent(call as never, throwing(code));
    return call.unsent;
  };

  it('is not tried again where the cause is the call, and a bounded number of times otherwise', () => {
    for (const code of ['ERR_HTTP2_INVALID_CONNECTION_HEADERS', 'ERR_HTTP2_HEADER_SINGLE_VALUE', 'ERR_INVALID_CHAR']) {
      expect(tries(code)).toBe(1);
    }
    for (const code of ['ERR_HTTP2_INVALID_SESSION', 'ERR_HTTP2_GOAWAY_SESSION', undefined])
      expect(tries(code)).toBe(20);
  });
});
