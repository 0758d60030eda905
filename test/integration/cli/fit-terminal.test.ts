import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { loadSync } from '@grpc/proto-loader';
import { ReflectionService } from '@grpc/reflection';
import type { Command } from 'commander';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { createProcessIo } from '../../../src/cli/io';
import { createProgram } from '../../../src/cli/program';
import { createGraylane, type Graylane } from '../../../src/index';
import { CHARGE, charge, type PaymentsServer, paymentsClient, startPaymentsServer } from '../../support/payments';
import { type CommandRun, runInProcess } from './in-process-command';
import { commandWorld, policyOf } from './two-datacenters';

const PROTO = join(__dirname, '..', '..', '..', 'proto');
const WIDTHS = [60, 80, 120] as const;
const WHY = 'the canary of the second wave gets a quarter of the calls after a quiet night with no pages at all';
const METHOD = CHARGE.slice(1);

const FLAGGER = `
apiVersion: flagger.app/v1beta1
kind: Canary
metadata: { name: payments-of-the-shop }
spec:
  targetRef: { apiVersion: apps/v1, kind: Deployment, name: payments }
  service: { port: 50051 }
  analysis:
    interval: 1m
    threshold: 5
    maxWeight: 50
    stepWeight: 10
    metrics: [{ name: request-success-rate, thresholdRange: { min: 99 }, interval: 1m }]
`;
const WAVES = `
schema: 1
name: checkout
rollout: { canary: canary, stable: stable, steps: [{ setWeight: 5 }, { pause: { durationMs: 3600000 } }, { setWeight: 50 }] }
waves: [{ members: [{ service: payments }] }]
`;

const world = commandWorld();
let servers: readonly PaymentsServer[] = [];
let graylane: Graylane;
let admin: Server;
let url = '';

beforeAll(async () => {
  const dc1 = world.consul.dc('dc1');
  const definition = loadSync(join(PROTO, 'payments.proto'));
  const start = (name: string, version: string): Promise<PaymentsServer> =>
    startPaymentsServer({ name, version, reflection: new ReflectionService(definition) });
  servers = await Promise.all([start('p1', '1.9'), start('p2', '2.0')]);
  for (const [at, tag] of ['stable', 'canary'].entries()) {
    const { host: address = '127.0.0.1', port = 1 } = servers[at] ?? {};
    const id = `payments-of-the-shop-in-the-old-town-${tag}`;
    await dc1.register({ name: 'payments', id, address, port, tags: [tag], meta: { version: `2.${at}` } });
    await dc1.register({ name: 'rolling', id: `rolling-${tag}`, address, port, tags: [tag] });
  }
  const env = { CONSUL_HTTP_ADDR: dc1.address };
  // Clients of the library read the process' own.
  vi.stubEnv('CONSUL_HTTP_ADDR', dc1.address);
  for (const percent of [5, 10, 25]) {
    const file = world.file('payments.json', policyOf('payments', percent));
    const rolling = world.file('rolling.json', policyOf('rolling', percent));
    expect(
      await runInProcess(['policy', 'apply', file, rolling, '-m', WHY], { columns: undefined, env }),
    ).toMatchObject({
      code: 0,
    });
  }
  const started = ['rollout', 'start', 'rolling', '--weights', '30,50', '--pause', '3600'];
  expect(await runInProcess(started, { columns: undefined, env })).toMatchObject({ code: 0 });
  const logger = { debug() {}, info() {}, warn() {}, error() {} };
  graylane = createGraylane({
    consul: { address: dc1.address },
    stateDirectory: false,
    logger,
    name: 'orders-of-the-shop',
  });
  // Keeps the service watched: a channel that nobody holds is let go.
  await graylane.ready('payments');
  await charge(paymentsClient(graylane.target('payments'), graylane.clientOptions()), {});
  admin = createServer(graylane.adminHandler());
  await new Promise<void>((resolve) => admin.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(admin.address() as AddressInfo).port}`;
});
afterAll(async () => {
  vi.unstubAllEnvs();
  admin.closeAllConnections();
  admin.close();
  await graylane.close();
  for (const server of servers) server.kill();
});

interface Line {
  readonly args: readonly string[];
  /** Default 0. */
  readonly code?: number;
  readonly interruptAt?: RegExp;
  /** On a terminal it shows something else than in a pipe. */
  readonly isLive?: boolean;
  /** Heads of columns that are empty: a block for each row leaves them out. */
  readonly empty?: readonly string[];
}

/** Command lines and what they end with. `n` differs from run to run. */
const LINES: Readonly<Record<string, (n: number) => Line>> = {
  init: (n) => ({ args: ['init', 'payments', '-o', join(world.folder('out', {}), `first-${n}.yaml`)] }),
  'init, of nobody': () => ({ args: ['init', 'paymnts'], code: 1 }),
  'policy list': () => ({ args: ['policy', 'list'] }),
  'policy validate': () => ({ args: ['policy', 'validate', world.file('ok.json', policyOf('payments'))] }),
  'policy validate, of what is wrong': () => ({
    args: [
      'policy',
      'validate',
      world.file(
        'bad.yaml',
        'schema: 2\nservice: payments\ndefualt: stable\nroutes:\n  - { name: a, numRetries: 3 }\n',
      ),
    ],
    code: 1,
  }),
  'policy validate --consul': () => ({
    args: ['policy', 'validate', world.file('slip.json', policyOf('payments', 5, { subsets: SLIP })), '--consul'],
    code: 1,
  }),
  'policy get, of several': () => ({ args: ['policy', 'get', 'payments', '--dc', 'dc1,dc2'], code: 1 }),
  'policy get, of none': () => ({ args: ['policy', 'get', 'nothing'], code: 1 }),
  'policy diff': () => ({ args: ['policy', 'diff', world.file('diff.json', policyOf('payments', 50))], code: 1 }),
  'policy apply': (n) => ({
    args: ['policy', 'apply', world.file('new.json', policyOf(`new-${n}`)), '-m', WHY],
  }),
  'policy apply, refused': () => ({
    args: ['policy', 'apply', world.file('slip.json', policyOf('payments', 5, { subsets: SLIP })), '-m', WHY],
    code: 1,
  }),
  'policy apply, of what is wrong': () => ({
    args: ['policy', 'apply', world.file('wrong.json', policyOf('payments', -1)), '-m', WHY],
    code: 1,
  }),
  'policy apply, of several': (n) => ({
    args: ['policy', 'apply', ...[1, 2].map((at) => world.file(`s${at}.json`, policyOf(`new-${at}-${n}`))), '-m', WHY],
  }),
  'policy apply, without a message': () => ({ args: ['policy', 'apply', 'x.json'], code: 2 }),
  'policy sync --check': () => ({
    args: ['policy', 'sync', world.folder('sync', { 'a.json': policyOf('payments', 50) }), '--check'],
    code: 1,
  }),
  'policy edit': () => ({ args: ['policy', 'edit', 'payments', '-m', WHY] }),
  'policy delete': () => ({ args: ['policy', 'delete', 'payments', '--dry-run'] }),
  'policy log': () => ({ args: ['policy', 'log', 'payments', '--verify'] }),
  'policy show, of none': () => ({ args: ['policy', 'show', '99', 'payments'], code: 1 }),
  'policy rollback': () => ({ args: ['policy', 'rollback', 'payments', '--dry-run'] }),
  'policy test': () => ({
    args: [
      'policy',
      'test',
      world.file('ok.json', policyOf('payments')),
      world.file('cases.json', [
        { name: 'a caller without any label at all', labels: {}, subset: 'stable' },
        { name: 'shares of everyone', labels: {}, shares: { stable: 95, canary: 5 } },
      ]),
    ],
    code: 1,
  }),
  'policy lint-chain': () => ({ args: ['policy', 'lint-chain', 'payments'] }),
  'policy import-chain': () => ({
    args: ['policy', 'import-chain', 'payments', '-o', join(world.folder('out', {}), 'c.yaml')],
  }),
  'policy import-istio': () => ({
    args: ['policy', 'import-istio', world.file('istio.yaml', ISTIO), '-o', join(world.folder('out', {}), 'i.yaml')],
    code: 1,
  }),
  'policy lint-entries': () => ({ args: ['policy', 'lint-entries', world.file('entries.json', ENTRIES)], code: 1 }),
  'policy import-entries': () => ({
    args: [
      ...['policy', 'import-entries', world.file('entries.json', ENTRIES)],
      ...['-o', join(world.folder('out', {}), 'e.yaml')],
    ],
    code: 3,
  }),
  'policy import-gateway': () => ({
    args: [
      ...['policy', 'import-gateway', world.file('gateway.yaml', GATEWAY)],
      ...['-o', join(world.folder('out', {}), 'g.yaml')],
    ],
    code: 3,
  }),
  weight: () => ({ args: ['weight', 'payments', 'canary', '40', '--dry-run'] }),
  'lane create': () => ({ args: ['lane', 'create', 'pr-42', '--services', 'rolling', '--ttl', '1h', '--dry-run'] }),
  'lane list': () => ({ args: ['lane', 'list'] }),
  'lane delete, of none': () => ({ args: ['lane', 'delete', 'pr-42'], code: 1 }),
  'lists put': () => ({
    args: ['lists', 'put', 'beta-users', world.file('users.txt', 'u-1\nu-2\n'), '-m', WHY, '--dry-run'],
  }),
  'lists list': () => ({ args: ['lists', 'list'] }),
  'lists show, of none': () => ({ args: ['lists', 'show', 'beta-users'], code: 1 }),
  'lists rollback, of none': () => ({ args: ['lists', 'rollback', 'beta-users'], code: 1 }),
  'drill start': () => ({
    args: [
      ...['drill', 'start', 'rolling', '--abort', 'UNAVAILABLE', '--percent', '5', '--for', '10m', '-m', WHY],
      ...['--label', 'x-gray=canary', '--dry-run'],
    ],
  }),
  'drill watch, of none': () => ({ args: ['drill', 'watch', 'payments', '--url', url, '--once'], code: 1 }),
  'drill list': () => ({ args: ['drill', 'list'] }),
  'drill stop, of none': () => ({ args: ['drill', 'stop', 'rolling'] }),
  'override set': (n) => ({
    args: ['override', 'set', 'rolling', '--to', 'stable', '--ttl', '1h', '-m', `${WHY} ${n}`],
  }),
  'override list': () => ({ args: ['override', 'list'] }),
  'override clear': () => ({ args: ['override', 'clear', 'rolling', '--dry-run'] }),
  'rollout start': () => ({ args: ['rollout', 'start', 'rolling', '--weights', '30,50'], code: 1 }),
  'rollout start --dry-run': () => ({
    args: ['rollout', 'start', 'payments', '--weights', '30,50', '--pause', '60', '--dry-run'],
  }),
  'rollout status': () => ({ args: ['rollout', 'status'] }),
  'rollout status --watch': () => ({
    args: ['rollout', 'status', 'rolling', '--watch'],
    interruptAt: /canary to 50/,
    isLive: true,
  }),
  'rollout history': () => ({ args: ['rollout', 'history', 'rolling'], empty: ['policy'] }),
  'rollout pause': () => ({ args: ['rollout', 'pause', 'rolling'] }),
  'rollout resume': () => ({ args: ['rollout', 'resume', 'rolling'], code: 1 }),
  'rollout abort, of none': () => ({ args: ['rollout', 'abort', 'payments'], code: 1 }),
  'rollout approve, of what waits for nobody': () => ({ args: ['rollout', 'approve', 'rolling', '-m', WHY], code: 1 }),
  'rollout import': () => ({ args: ['rollout', 'import', world.file('canary.yaml', FLAGGER)] }),
  'policy trial, where nobody listens': () => ({
    args: ['policy', 'trial', world.file('ok.json', policyOf('payments')), '--for', '1s'],
    code: 2,
  }),
  'waves start --dry-run': () => ({
    args: ['waves', 'start', world.file('waves.yaml', WAVES), '--dry-run'],
  }),
  'waves status, of none': () => ({ args: ['waves', 'status', 'checkout'], code: 1 }),
  'waves pause, of none': () => ({ args: ['waves', 'pause', 'checkout'], code: 1 }),
  'waves resume, of none': () => ({ args: ['waves', 'resume', 'checkout'], code: 1 }),
  'waves abort, of none': () => ({ args: ['waves', 'abort', 'checkout'], code: 1 }),
  'waves history, of none': () => ({ args: ['waves', 'history', 'checkout'], code: 1 }),
  explain: () => ({ args: ['explain', 'payments', '--method', CHARGE, '--label', 'x-user-id=u-42'], empty: HELD }),
  simulate: () => ({
    args: ['simulate', world.file('ok.json', policyOf('payments')), '--calls', '1000', '--seed', '1'],
  }),
  'simulate --against': () => ({
    args: [
      'simulate',
      world.file('ok.json', policyOf('payments')),
      '--against',
      world.file('more.json', policyOf('payments', 25)),
      '--seed',
      '1',
      '--calls',
      '1000',
    ],
  }),
  instances: () => ({ args: ['instances', 'payments'], empty: ['zone', 'age'] }),
  'instances, of nobody': () => ({ args: ['instances', 'nobody'], code: 1 }),
  'call, methods': () => ({ args: ['call', 'payments'] }),
  'call, of a method that is not there': () => ({ args: ['call', 'payments', 'shop.v1.Payments/Chrage'], code: 2 }),
  load: () => ({ args: ['load', 'payments', METHOD, '--rate', '40', '--duration', '1s', '--seed', '1'], isLive: true }),
  watch: () => ({ args: ['watch', 'payments'], interruptAt: /revision \w+(.|\n)*added(.|\n)*added/ }),
  inspect: () => ({ args: ['inspect', '--url', url] }),
  'inspect --watch': () => ({ args: ['inspect', '--url', url, '--watch'], interruptAt: /q quits/, isLive: true }),
  'inspect --decisions': () => ({ args: ['inspect', '--url', url, '--decisions'] }),
  'inspect --explain': () => ({
    args: [
      'inspect',
      '--url',
      url,
      '--explain',
      '--service',
      'payments',
      '--method',
      CHARGE,
      '--label',
      'x-user-id=u-42',
    ],
    empty: HELD,
  }),
  'inspect, of nobody': () => ({ args: ['inspect', '--url', 'http://127.0.0.1:1'], code: 2 }),
  fleet: () => ({ args: ['fleet', 'payments', '--url', url, '--url', 'http://127.0.0.1:1'], code: 1, empty: FLEET }),
  top: () => ({ args: ['top', 'payments', '--url', url], interruptAt: /q quits/, isLive: true }),
  doctor: () => ({ args: ['doctor', 'payments', 'rolling', 'nothing'], code: 1 }),
  'no such command': () => ({ args: ['polcy'], code: 2 }),
  'no such option': () => ({ args: ['policy', 'apply', 'x', '--mesage', 'x'], code: 2 }),
  'no such Consul': () => ({ args: ['policy', 'list', '--consul', '127.0.0.1:1'], code: 2 }),
};

const HELD = ['held', 'out'];
const FLEET = ['client', 'datacenter', 'seen', 'number', 'why'];
const SLIP = { stable: { tags: ['stabel'] }, canary: { tags: ['canary'], fallback: 'stable' } };
const ISTIO = `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: payments }
spec:
  hosts: [payments]
  http:
    - mirror: { host: payments }
      fault: { abort: { httpStatus: 500, percentage: { value: 1 } } }
      route: [{ destination: { host: payments } }]
`;

const ENTRIES = {
  Kind: 'service-router',
  Name: 'payments',
  Routes: [
    { Match: { HTTP: { QueryParam: [{ Name: 'x', Present: true }] } }, Destination: { Service: 'payments-v2' } },
    { Match: { HTTP: { PathPrefix: '/shop.v1.' } }, Destination: { Service: 'payments', PrefixRewrite: '/x' } },
  ],
};
const GATEWAY = `apiVersion: gateway.networking.k8s.io/v1
kind: GRPCRoute
metadata: { name: payments }
spec:
  parentRefs: [{ kind: Service, group: '', name: payments }]
  rules:
    - matches: [{ headers: [{ name: x-gray, value: canary }] }]
      filters: [{ type: ExtensionRef, extensionRef: { group: x, kind: y, name: z } }]
      backendRefs: [{ name: payments, port: 80 }]
    - backendRefs: [{ name: payments-v2, port: 80 }]
`;

/** Without what differs from run to run. */
function wordsOf({ stdout, stderr }: CommandRun): ReadonlySet<string> {
  const words = stripVTControlCharacters(`${stdout}\n${stderr}`).split(/\s+/);
  return new Set(
    words.map((word) =>
      word
        .replace(/[0-9a-f]{12}/g, 'revision')
        .replace(/[█·]+/, 'bar')
        .replace(/[\d.]+(?:ms)?/g, '0'),
    ),
  );
}

/** Lines that are wider, unless they are one word, which nobody may break. */
function tooWide({ stdout, stderr }: CommandRun, columns: number): readonly string[] {
  const lines = [...stdout.split(/[\n\r]/), ...stderr.split('\n')].map(stripVTControlCharacters);
  return lines.filter((line) => line.length > columns && line.trim().includes(' '));
}

describe('what a command prints', () => {
  it.each(Object.entries(LINES))('%s: fits the terminal, breaks no word and loses none', async (_, line) => {
    const env = { CONSUL_HTTP_ADDR: world.consul.dc('dc1').address, EDITOR: 'true' };
    const runAt = async (columns: number | undefined): Promise<CommandRun> => {
      const { args, code = 0, interruptAt } = line(columns ?? 0);
      const ended = await runInProcess(args, { columns, env, ...(interruptAt === undefined ? {} : { interruptAt }) });
      expect({ at: columns, ...ended }).toMatchObject({ code });
      expect(`${ended.stdout}${ended.stderr}`).not.toBe('');
      return ended;
    };
    const { isLive = false, empty = [] } = line(0);
    const piped = isLive ? undefined : wordsOf(await runAt(undefined));
    for (const columns of WIDTHS) {
      const ended = await runAt(columns);
      expect(tooWide(ended, columns), `at ${columns} columns`).toEqual([]);
      if (piped === undefined) continue;
      const shown = wordsOf(ended);
      expect(
        [...shown].filter((word) => !piped.has(word)),
        `added at ${columns} columns`,
      ).toEqual([]);
      const lost = [...piped].filter((word) => !shown.has(word) && !empty.includes(word));
      expect(lost, `lost at ${columns} columns`).toEqual([]);
    }
  });

  it('is looked at for every command', () => {
    const program = createProgram(createProcessIo(process));
    const names = program.commands.flatMap((command) =>
      command.commands.length === 0
        ? [command.name()]
        : command.commands.map((nested) => `${command.name()} ${nested.name()}`),
    );
    // A script for a shell; servers, whose line is an address; and a controller, which goes on: its lines are those of
    // `rollout status`.
    const others = ['completion', 'console', 'playground', 'rollout run', 'rollout promote'];
    const seen = Object.keys(LINES);
    expect(names.filter((name) => !others.includes(name) && !seen.some((each) => each.startsWith(name)))).toEqual([]);
  });

  it.each(WIDTHS)('help of every command at %i columns', async (columns) => {
    const leaves = (command: Command, path: readonly string[]): (readonly string[])[] => [
      path,
      ...command.commands.flatMap((nested) => leaves(nested, [...path, nested.name()])),
    ];
    for (const path of leaves(createProgram(createProcessIo(process)), [])) {
      const args = [...path, '--help'];
      const piped = await runInProcess(args, { columns: undefined });
      const ended = await runInProcess(args, { columns });
      expect(tooWide(ended, columns), args.join(' ')).toEqual([]);
      expect([...wordsOf(ended)].sort(), args.join(' ')).toEqual([...wordsOf(piped)].sort());
    }
  });
});
