import { join } from 'node:path';
import * as grpc from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { ReflectionService } from '@grpc/reflection';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { seededRandom } from '../../../src/base/random';
import { parseLabelMix } from '../../../src/cli/call/label-mix';
import { type PaymentsServer, startPaymentsServer } from '../../support/payments';
import { rawMethod } from '../../support/raw-method';
import { type OddReflection, oddReflection } from './odd-reflection';
import { startInTerminal } from './terminal-command';
import { commandWorld, policyOf } from './two-datacenters';

const PROTO = join(__dirname, '..', '..', '..', 'proto');
const CHARGE = 'shop.v1.Payments/Charge';
const world = commandWorld({ datacenters: ['dc1'] });
let stable: PaymentsServer;
let canary: PaymentsServer;

const POLICY = policyOf('payments', 50, {
  routes: [
    { name: 'testers', match: { labels: { 'x-gray': 'canary' } }, to: 'canary' },
    ...(policyOf('payments', 50)['routes'] as readonly object[]),
  ],
});

beforeAll(async () => {
  const dc1 = world.consul.dc('dc1');
  const definition = loadSync(join(PROTO, 'payments.proto'));
  const withReflection = (name: string, version: string) =>
    startPaymentsServer({ name, version, reflection: new ReflectionService(definition) });
  stable = await withReflection('p1', '1.9');
  canary = await withReflection('p2', '2.0');
  for (const [id, server, tag] of [
    ['p1', stable, 'stable'],
    ['p2', canary, 'canary'],
  ] as const) {
    const { host: address, port, version } = server;
    await dc1.register({ name: 'payments', id, address, port, tags: [tag], meta: { version } });
  }
  await dc1.putKv('graylane/policies/payments', JSON.stringify(POLICY));
});
afterAll(() => {
  stable.kill();
  canary.kill();
});

interface Called {
  readonly code: string;
  readonly decision: { readonly subset: string; readonly route: string };
  readonly attempts: readonly { readonly instance: string; readonly version: string; readonly endpoint: string }[];
  readonly answers: readonly Record<string, unknown>[];
}

describe('graylane call', () => {
  it('takes OK without a message for what grpc-js takes it for', async () => {
    const charge = rawMethod(`/${CHARGE}`, true);
    const server = new grpc.Server();
    server.addService({ charge }, { charge: (call: grpc.ServerWritableStream<Buffer, Buffer>) => call.end() });
    const port = await new Promise<number>((resolve, reject) => {
      const bound = (error: Error | null, at: number): void => (error === null ? resolve(at) : reject(error));
      server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), bound);
    });
    await world.consul.dc('dc1').register({ name: 'silent', id: 'silent', address: '127.0.0.1', port });
    const { code, stderr } = await world.run(['call', 'silent', CHARGE, '--proto', 'payments.proto', '-I', PROTO]);
    server.forceShutdown();
    expect(stderr).toMatch(/^UNIMPLEMENTED in [\d.]+ ms: No message received$/m);
    expect(code).toBe(1);
  });

  it('lists the methods that there are', async () => {
    const { code, stdout } = await world.run(['call', 'payments']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^method +request +answer\n(?:.*\n)*shop\.v1\.Payments\/Charge +one +one$/m);
    expect(stdout).toMatch(/^shop\.v1\.Payments\/Converse +stream +stream$/m);
    expect(stdout).not.toContain('reflection');
    const proto = await world.run(['call', 'payments', '--proto', 'payments.proto', '-I', PROTO]);
    expect(proto.stdout).toBe(stdout);
  });

  it('goes where a client goes, by reflection, with labels, and says where', async () => {
    const data = ['-d', '{"order":"o-7","amountCents":"12345678901234"}'];
    const call = await world.run(['call', 'payments', CHARGE, ...data, '-l', 'x-gray=canary']);
    expect(JSON.parse(call.stdout)).toMatchObject({ order: 'o-7', gray: 'canary', version: '2.0' });
    expect(call.code).toBe(0);
    expect(call.stderr).toMatch(/^OK in [\d.]+ ms\ncanary by route testers, revision [0-9a-f]{12}\n/);
    expect(call.stderr).toMatch(/^from p2 \(127\.0\.0\.1:\d+\) in dc1 of canary, version 2\.0$/m);
    const { json } = await world.runJson<Called>(['call', 'payments', `/${CHARGE}`, '-l', 'x-user-id=u-1', ...data]);
    expect(json).toMatchObject({
      code: 'OK',
      decision: { route: 'everyone' },
      attempts: [{ subset: json.decision.subset }],
    });
    expect(json.answers[0]).toMatchObject({ order: 'o-7' });
  });

  it('makes streams of every kind, and a call that fails', async () => {
    const watch = ['call', 'payments', 'shop.v1.Payments/Watch', '-d', '{"count":3}'];
    expect((await world.runJson<Called>(watch)).json.answers.map((answer) => answer['order'])).toEqual(['0', '1', '2']);
    const upload = ['call', 'payments', 'shop.v1.Payments.Upload', '-d', '[{},{},{}]'];
    expect((await world.runJson<Called>(upload)).json.answers).toMatchObject([{ count: 3 }]);
    const converse = ['call', 'payments', 'shop.v1.Payments/Converse', '-d', '-'];
    const both = await world.runJson<Called>(converse, { input: '[{"order":"a"},{"order":"b"}]' });
    expect(both.json.answers.map((answer) => answer['order'])).toEqual(['a', 'b']);
    canary.behave({ code: grpc.status.PERMISSION_DENIED, details: 'not you' });
    try {
      const failed = await world.run(['call', 'payments', CHARGE, '-l', 'x-gray=canary']);
      expect([failed.code, failed.stdout]).toEqual([1, '']);
      expect(failed.stderr).toMatch(/^PERMISSION_DENIED in [\d.]+ ms: not you$/m);
    } finally {
      canary.behave(undefined);
    }
  });

  it('says what is there when something is not', async () => {
    const cases: readonly (readonly [readonly string[], number, RegExp])[] = [
      [
        ['shop.v1.Payment/Charge'],
        2,
        /no service shop\.v1\.Payment \(expected: one of shop\.v1\.Payments\); did you mean/,
      ],
      [['shop.v1.Payments/Chrage'], 2, /did you mean \/shop\.v1\.Payments\/Charge\?/],
      [[CHARGE, '-d', '{"ordre":"x"}'], 2, /--data\.ordre: no such field .*; did you mean order\?/],
      [[CHARGE, '-d', '{order'], 2, /--data: .*\(expected: JSON\)/],
      [[CHARGE, '-d', '[{},{}]'], 2, /2 requests \(expected: one/],
      [[CHARGE, '-l', 'x gray=1'], 2, /x gray/],
      [[CHARGE, '--proto', 'nothing.proto'], 2, /--proto: .*nothing\.proto/],
      [['Charge'], 2, /\(expected: package\.Service\/Method, one of those that graylane call SERVICE lists\)/],
    ];
    for (const [args, code, stderr] of cases) {
      const ended = await world.run(['call', 'payments', ...args]);
      expect(ended.stderr, args.join(' ')).toMatch(stderr);
      expect([ended.code, ended.stdout], args.join(' ')).toEqual([code, '']);
    }
  });
});

describe('reflection of other servers', () => {
  let odd: OddReflection;
  const register = async (name: string, { host: address, port }: PaymentsServer) =>
    world.consul.dc('dc1').register({ name, id: name, address, port, tags: [] });

  it('v1alpha alone, each file on its own, names as in the .proto file', async () => {
    odd = oddReflection();
    const server = await startPaymentsServer({ name: 'odd', reflection: odd });
    try {
      await register('odd', server);
      const { json } = await world.runJson<Called>([
        'call',
        'odd',
        'shop.v2.Till/Pay',
        '-d',
        '{"price":{"minorUnits":7}}',
      ]);
      expect(json).toMatchObject({ code: 'OK', answers: [{ paid: { minor_units: '7' } }] });
      expect(odd.asked).toEqual(['shop.v2.Till', 'money_v1.proto']);
      const typo = await world.run(['call', 'odd', 'shop.v2.Till/Pay', '-d', '{"price":{"minorUnit":7}}']);
      expect(typo.stderr).toMatch(/--data\.price\.minorUnit: no such field .*; did you mean minorUnits\?/);
    } finally {
      server.kill();
    }
  });

  it('none: says what else there is', async () => {
    const server = await startPaymentsServer({ name: 'plain' });
    try {
      await register('plain', server);
      const ended = await world.run(['call', 'plain', CHARGE]);
      expect([ended.code, ended.stderr]).toEqual([
        1,
        expect.stringMatching(/has no reflection .*; give --proto FILE -I DIR/),
      ]);
      const proto = await world.run(['call', 'plain', CHARGE, '--proto', join(PROTO, 'payments.proto')]);
      expect([proto.code, JSON.parse(proto.stdout)]).toEqual([0, expect.objectContaining({ servedBy: 'plain' })]);
    } finally {
      server.kill();
    }
  });
});

describe('a mix of labels', () => {
  const count = (text: string, calls = 10_000): ReadonlyMap<string | undefined, number> => {
    const mix = parseLabelMix(text);
    if (typeof mix === 'string') throw new Error(mix);
    const random = seededRandom(7);
    const counts = new Map<string | undefined, number>();
    for (let at = 0; at < calls; at += 1) {
      const value = mix.pick(random);
      counts.set(value, (counts.get(value) ?? 0) + 1);
    }
    return counts;
  };
  it.each([
    ['x-a=one', { one: 1 }],
    ['x-a={a,b}-{1..2}', { 'a-1': 0.25, 'a-2': 0.25, 'b-1': 0.25, 'b-2': 0.25 }],
    ['x-a={canary:10%,beta:30%}', { canary: 0.1, beta: 0.3, undefined: 0.6 }],
    ['x-a={canary:100%}', { canary: 1 }],
    ['x-a={literal}', { '{literal}': 1 }],
    ['x-a={"json":1}', { '{"json":1}': 1 }],
  ])('%s', (text, shares) => {
    const counts = count(text);
    expect([...counts.keys()].map(String).sort()).toEqual(Object.keys(shares).sort());
    for (const [value, share] of Object.entries(shares)) {
      const found = (counts.get(value === 'undefined' ? undefined : value) ?? 0) / 10_000;
      expect(Math.abs(found - share), `${value}: ${found}`).toBeLessThan(0.02);
    }
  });

  it('a range has each of its values, and nothing else', () => {
    expect([...count('x-user-id=u-{1..50}').keys()]).toHaveLength(50);
  });

  it.each([
    ['no-value', /key=value/],
    ['x-a={a:60%,b:50%}', /110 % \(expected: at most 100 %/],
    ['x-a={9..1}', /from the lower number/],
    ['x-a={a,b:5%}', /such as \{canary:10%/],
    ['x-a={canary:10', /a pair for each brace, such as \{canary:10%\}; \{ has none/],
    ['x-a=canary:10%}', /\} has none/],
    ['x-a = canary', /without blanks around =/],
  ])('%s is refused', (text, why) => expect(parseLabelMix(text)).toMatch(why));
});

interface Loaded {
  readonly calls: number;
  readonly failed: number;
  readonly leftOut: number;
  readonly codes: Readonly<Record<string, number>>;
  readonly rows: readonly {
    readonly subset: string;
    readonly version: string;
    readonly instance: string;
    readonly calls: number;
    readonly share: number;
    readonly codes: Readonly<Record<string, number>>;
    readonly p50Ms: number;
    readonly p99Ms: number;
  }[];
}

describe('graylane load', () => {
  const load = (...args: string[]) => world.runJson<Loaded>(['load', 'payments', CHARGE, '--seed', '1', ...args]);

  it('says where the calls of a mix went, as the servers saw it', async () => {
    const before = [stable.calls, canary.calls];
    const mix = ['-l', 'x-gray={canary:20%}', '-l', 'x-user-id=u-{1..1000}'];
    // A machine that stalls catches up afterwards: all at once if need be.
    const { code, json, stderr } = await load('--rate', '250', '--duration', '2s', '--concurrency', '500', ...mix);
    expect([code, json.calls, json.failed]).toEqual([0, 500, 0]);
    expect(stderr).toBe('real calls to payments: 250 a second for 2 s, at most 500 at once\n');
    expect(json.rows.map(({ subset, version, instance }) => [subset, version, instance])).toEqual([
      ['canary', '2.0', 'p2'],
      ['stable', '1.9', 'p1'],
    ]);
    const [ofCanary, ofStable] = json.rows;
    // A fifth by the label, half of the others by weight.
    expect(Math.abs((ofCanary?.share ?? 0) - 60)).toBeLessThan(8);
    expect([ofStable?.calls, ofCanary?.calls]).toEqual([
      stable.calls - (before[0] ?? 0),
      canary.calls - (before[1] ?? 0),
    ]);
    expect(ofStable?.p50Ms).toBeGreaterThan(0);
    expect(ofStable?.p99Ms).toBeGreaterThanOrEqual(ofStable?.p50Ms ?? 0);
  });

  it('shows failures by their codes, and ends with 1 beyond what may fail', async () => {
    canary.behave({ code: grpc.status.FAILED_PRECONDITION, every: 2 });
    try {
      const args = ['--rate', '100', '--duration', '1s', '--concurrency', '100', '-l', 'x-gray=canary'];
      const { code, json } = await load(...args);
      expect([code, json.codes]).toEqual([1, { OK: 50, FAILED_PRECONDITION: 50 }]);
      expect((await load(...args, '--max-failures', '50')).code).toBe(0);
      const table = await world.run(['load', 'payments', CHARGE, ...args]);
      expect(table.stdout).toMatch(/^100 calls in \d\.\d s \([\d.]+ a second\), 50 failed$/m);
      expect(table.stdout).toMatch(
        /^canary +2\.0 +p2 +dc1 +100 +100\.0 % +[\d.]+ ms +[\d.]+ ms +[\d.]+ ms +\S+ 50, \S+ 50$/m,
      );
    } finally {
      canary.behave(undefined);
    }
  });

  it('never has more calls under way than it may, and says what it left out', async () => {
    stable.behave({ delayMs: 400 });
    try {
      const policy = ['--rate', '100', '--duration', '1s', '--concurrency', '2', '-l', 'x-user-id=u-{1..1000}'];
      const { json, code } = await load(...policy);
      expect(json.leftOut).toBeGreaterThan(0);
      expect([code, json.calls + json.leftOut]).toEqual([0, 100]);
    } finally {
      stable.behave(undefined);
    }
  });

  it.each(['Upload', 'Converse', 'Watch'])('drives streams, too, with the same figures: %s', async (name) => {
    const before = [stable.calls + canary.calls, stable.messages + canary.messages] as const;
    const isUpload = name !== 'Watch';
    const data = isUpload ? ['-d', '[{"order":"a"},{"order":"b"}]', '--messages', '50'] : ['-d', '{"count":3}'];
    const args = ['--rate', '20', '--duration', '1s', '--concurrency', '500', '-l', 'x-user-id=u-{1..1000}', ...data];
    const path = `shop.v1.Payments/${name}`;
    const { code, json, stderr } = await world.runJson<Loaded>(['load', 'payments', path, '--seed', '1', ...args]);
    expect([code, json.calls, json.codes]).toEqual([0, 20, { OK: 20 }]);
    expect(stderr).toContain(isUpload ? 'at most 500 at once, 100 messages each\n' : 'at most 500 at once\n');
    expect(json.rows.map(({ subset, instance }) => [subset, instance])).toEqual([
      ['canary', 'p2'],
      ['stable', 'p1'],
    ]);
    expect(json.rows.every(({ p50Ms, p99Ms }) => p50Ms > 0 && p99Ms >= p50Ms)).toBe(true);
    expect(stable.calls + canary.calls - before[0]).toBe(20);
    expect(stable.messages + canary.messages - before[1]).toBe(isUpload ? 2_000 : 0);
  });

  it('tells of streams that fail, and sends no more to them', async () => {
    const args = [
      'load',
      'payments',
      'shop.v1.Payments/Upload',
      '--rate',
      '10',
      '--duration',
      '1s',
      '--messages',
      '100000',
    ];
    // No stream can be through within its deadline.
    const within = ['--timeout', '0.05', '--concurrency', '500', '--proto', join(PROTO, 'payments.proto')];
    const { code, json } = await world.runJson<Loaded & { readonly elapsedMs: number }>([...args, ...within]);
    expect([code, json.codes]).toEqual([1, { DEADLINE_EXCEEDED: 10 }]);
    // Deadlines hold, however much there is to send.
    expect(json.elapsedMs).toBeLessThan(10_000);
  });

  it('is bounded, and says what does not go together', async () => {
    for (const [args, stderr] of [
      [[CHARGE, '--rate', '5001'], /--rate: 5001 \(expected: at most 5000\)/],
      [[CHARGE, '--duration', '2h'], /--duration: 7200 \(expected: at most 3600\)/],
      [[CHARGE, '--concurrency', '1001'], /at most 1000/],
      [[CHARGE, '--messages', '5'], /--messages: 5 \(expected: one, \/shop\.v1\.Payments\/Charge takes no stream\)/],
      [[CHARGE, '-d', '[{},{}]'], /--data: 2 requests \(expected: one/],
      [['shop.v1.Payments/Upload', '--messages', '100001'], /--messages: 100001 \(expected: at most 100000\)/],
      [[CHARGE, '-l', 'x-a={9..1}'], /from the lower number/],
    ] as const) {
      const ended = await world.run(['load', 'payments', ...args]);
      expect([ended.code, ended.stdout]).toEqual([2, '']);
      expect(ended.stderr).toMatch(stderr);
    }
  });

  it('is live on a terminal, and shows what it has when it is interrupted', async () => {
    const terminal = startInTerminal(
      ['load', 'payments', CHARGE, '--rate', '50', '--duration', '60s'],
      { CONSUL_HTTP_ADDR: world.consul.dc('dc1').address },
      { columns: 120, rows: 40 },
    );
    await expect.poll(() => terminal.frames().length, { timeout: 15_000 }).toBeGreaterThan(2);
    terminal.type('\u0003');
    expect(await terminal.ended).toBe(0);
    expect(terminal.frames().at(-1)).toMatch(/^\d+ calls in .*none failed/);
  });
});
