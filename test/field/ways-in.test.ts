import { AsyncLocalStorage } from 'node:async_hooks';
import * as grpc from '@grpc/grpc-js';
import { createClient, Metadata } from 'nice-grpc';
import { describe, expect, it } from 'vitest';
import { createGraylane, type Graylane, type GraylaneOptions, type PolicyDocument } from '../../src/index';
import { closeAfterEach } from '../support/closers';
import { callLedger, Ledger, type LedgerMethod, ledgerServer, type Work } from './ledger';

/** The same rules by every way in which a call can come to Graylane, and which of them hold where. */
const closing = closeAfterEach();
const insecure = grpc.credentials.createInsecure();

type Labels = Readonly<Record<string, string>>;
/** Makes one unary call and resolves with its status code. */
type MakeCall = (method: 'Record' | 'RecordAgain', id: string, labels?: Labels) => Promise<number>;

interface Way {
  readonly name: string;
  readonly open: (graylane: Graylane) => MakeCall;
  /** Graylane runs in the caller's context: labels that are not in the call's metadata, `with()`, `observe`. */
  readonly seesContext: boolean;
  /** Graylane is shown the definition of the method, with its idempotency level. */
  readonly seesDefinition: boolean;
}

const WAYS: readonly Way[] = [
  {
    name: 'clientOptions()',
    open: (graylane) => byStub(graylane.target('ledger'), graylane.clientOptions()),
    seesContext: true,
    seesDefinition: true,
  },
  {
    // NestJS lays its own options over `channelOptions` and hands them to the constructor of the stub.
    name: 'channelOptions(), as NestJS uses them',
    open: (graylane) =>
      byStub(graylane.target('ledger'), {
        ...graylane.channelOptions(),
        'grpc.max_receive_message_length': 4_194_304,
        'grpc.max_send_message_length': 4_194_304,
      }),
    seesContext: true,
    seesDefinition: true,
  },
  {
    name: 'channel() under a stub',
    open: (graylane) => byStub('unused', { channelOverride: graylane.channel('ledger', insecure) }),
    seesContext: true,
    seesDefinition: false,
  },
  {
    name: 'channel() under nice-grpc',
    open: byNiceGrpc,
    seesContext: true,
    seesDefinition: false,
  },
  {
    name: 'a bare target',
    open: (graylane) => byStub(graylane.target('ledger'), {}),
    seesContext: false,
    seesDefinition: false,
  },
];

function byStub(target: string, options: grpc.ClientOptions): MakeCall {
  const client = closing(new Ledger(target, insecure, options), (one) => one.close());
  return async (method, id, labels) => (await callLedger(client, method, id, 5_000, labels)).code;
}

function byNiceGrpc(graylane: Graylane): MakeCall {
  const client = createClient(
    Ledger.service as never,
    graylane.channel('ledger', insecure) as never,
  ) as unknown as Record<
    'Record' | 'RecordAgain',
    (request: { id: string }, options: { metadata: Metadata }) => Promise<unknown>
  >;
  return async (method, id, labels = {}) => {
    const metadata = Metadata({ 'x-id': id, ...labels });
    try {
      await client[method]({ id }, { metadata });
      return grpc.status.OK;
    } catch (error) {
      return (error as { readonly code: number }).code;
    }
  };
}

interface Execution {
  readonly id: string;
  readonly method: LedgerMethod;
  readonly instance: string;
  readonly metadata: grpc.Metadata;
}

interface World {
  readonly graylane: Graylane;
  readonly executions: readonly Execution[];
}

const ANSWER: Work = () => Promise.resolve(undefined);
const FAIL: Work = () => Promise.resolve({ code: grpc.status.UNAVAILABLE, details: 'after the work' });

/** Two instances, `stable` and `canary`, each with a tag of its name. */
async function open(work: Work, policy: object, options: GraylaneOptions = {}): Promise<World> {
  const executions: Execution[] = [];
  const instances = [];
  for (const instance of ['stable', 'canary']) {
    const server = closing(
      ledgerServer((id, method, metadata) => executions.push({ id, method, instance, metadata }), work),
      (one) => one.forceShutdown(),
    );
    const port = await new Promise<number>((resolve, reject) =>
      server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, bound) =>
        error === null ? resolve(bound) : reject(error),
      ),
    );
    instances.push({ address: '127.0.0.1', port, tags: [instance] });
  }
  const graylane = closing(
    createGraylane({
      instances: { ledger: instances },
      policies: { ledger: { schema: 1, service: 'ledger', ...policy } as PolicyDocument },
      telemetry: false,
      ...options,
    }),
    (one) => one.close(),
  );
  return { graylane, executions };
}

const SPLIT = {
  subsets: { stable: { tags: ['stable'] }, canary: { tags: ['canary'] } },
  default: 'stable',
  routes: [{ name: 'testers', match: { labels: { 'x-gray': 'canary' } }, to: 'canary' }],
};

describe.each(WAYS)('by $name', ({ open: openWay, seesContext, seesDefinition }) => {
  it("labels in the call's own metadata route it and reach the server", async () => {
    const { graylane, executions } = await open(ANSWER, SPLIT);
    const call = openWay(graylane);
    expect(await call('Record', 'one', { 'x-gray': 'canary' })).toBe(grpc.status.OK);
    expect(await call('Record', 'two')).toBe(grpc.status.OK);
    expect(executions.map(({ instance, metadata }) => [instance, metadata.get('x-gray')])).toEqual([
      ['canary', ['canary']],
      ['stable', []],
    ]);
  });

  it(`labels of the client route it, and ${seesContext ? 'reach' : 'do not reach'} the server`, async () => {
    const { graylane, executions } = await open(ANSWER, SPLIT, { labels: { 'x-gray': 'canary' } });
    expect(await openWay(graylane)('Record', 'one')).toBe(grpc.status.OK);
    expect(executions.map(({ instance, metadata }) => [instance, metadata.get('x-gray')])).toEqual([
      ['canary', seesContext ? ['canary'] : []],
    ]);
  });

  it(`labels of with() ${seesContext ? 'route it and reach the server' : 'are not seen'}`, async () => {
    const { graylane, executions } = await open(ANSWER, SPLIT);
    const call = openWay(graylane);
    const labels = { 'x-gray': 'canary' };
    expect(await graylane.with({ labels }, () => call('Record', 'one'))).toBe(grpc.status.OK);
    expect(await call('Record', 'two')).toBe(grpc.status.OK);
    expect(executions.map(({ instance, metadata }) => [instance, metadata.get('x-gray')])).toEqual([
      seesContext ? ['canary', ['canary']] : ['stable', []],
      ['stable', []],
    ]);
  });

  it('a call runs once without a word on retries', async () => {
    const { graylane, executions } = await open(FAIL, {});
    expect(await openWay(graylane)('Record', 'one')).toBe(grpc.status.UNAVAILABLE);
    expect(executions.length).toBe(1);
  });

  it('a call runs again where the policy has `retry`', async () => {
    const { graylane, executions } = await open(FAIL, { retry: { maxAttempts: 2 } });
    expect(await openWay(graylane)('Record', 'one')).toBe(grpc.status.UNAVAILABLE);
    expect(new Set(executions.map(({ instance }) => instance))).toEqual(new Set(['stable', 'canary']));
    expect(executions.length).toBe(2);
  });

  it('a call runs again where the policy names its method as idempotent', async () => {
    const { graylane, executions } = await open(FAIL, { idempotent: ['/field.v1.Ledger/Record'] });
    expect(await openWay(graylane)('Record', 'one')).toBe(grpc.status.UNAVAILABLE);
    expect(executions.length).toBe(2);
  });

  it(`the idempotency level of a method ${seesDefinition ? 'lets it run again' : 'is not seen'}`, async () => {
    const { graylane, executions } = await open(FAIL, {});
    expect(await openWay(graylane)('RecordAgain', 'one')).toBe(grpc.status.UNAVAILABLE);
    expect(executions.length).toBe(seesDefinition ? 2 : 1);
  });

  it('`retry: off` in the policy wins over the idempotency level', async () => {
    const { graylane, executions } = await open(FAIL, { retry: 'off' });
    expect(await openWay(graylane)('RecordAgain', 'one')).toBe(grpc.status.UNAVAILABLE);
    expect(executions.length).toBe(1);
  });

  it(`with({ retry: false }) ${seesContext ? 'wins over the policy' : 'is not seen'}`, async () => {
    const { graylane, executions } = await open(FAIL, { retry: { maxAttempts: 2 } });
    const call = openWay(graylane);
    expect(await graylane.with({ retry: false }, () => call('Record', 'one'))).toBe(grpc.status.UNAVAILABLE);
    expect(executions.length).toBe(seesContext ? 1 : 2);
  });

  it(`observe ${seesContext ? 'gets a report of the call' : 'gets nothing'}`, async () => {
    const { graylane } = await open(ANSWER, SPLIT);
    const call = openWay(graylane);
    const subsets: (string | undefined)[] = [];
    await graylane.with({ observe: ({ decision }) => subsets.push(decision?.subset) }, () => call('Record', 'one'));
    expect(subsets).toEqual(seesContext ? ['stable'] : []);
  });
});

/** nice-grpc's promises and iterators keep the context by themselves, and nothing of ours runs under a bare target. */
const STUBS = [
  { name: 'clientOptions()', optionsOf: (graylane: Graylane) => graylane.clientOptions() },
  { name: 'channelOptions()', optionsOf: (graylane: Graylane) => graylane.channelOptions() },
  {
    name: 'channel()',
    optionsOf: (graylane: Graylane) => ({ channelOverride: graylane.channel('ledger', insecure) }),
  },
];
const KINDS: readonly LedgerMethod[] = ['Record', 'RecordMany', 'RecordAndWatch', 'RecordAndTalk'];

describe.each(STUBS)('the context of the caller, by $name', ({ optionsOf }) => {
  for (const work of [ANSWER, FAIL]) {
    const end = work === ANSWER ? 'is answered' : 'fails';
    it(`is that of each handler, whoever opened the connection, when the call ${end}`, async () => {
      const { graylane } = await open(work, {});
      const client = closing(new Ledger(graylane.target('ledger'), insecure, optionsOf(graylane)), (one) =>
        one.close(),
      );
      const wrong: string[] = [];
      // The first of each kind waits for the first connection, which then is in its context.
      for (const round of ['opening', 'second', 'third']) {
        await Promise.all(
          KINDS.map((method) => {
            const caller = `${round} ${method}`;
            return store.run(caller, () => handlersOf(client, method, caller, wrong));
          }),
        );
      }
      expect(wrong).toEqual([]);
    });
  }
});

const store = new AsyncLocalStorage<string>();

/** Makes the call, and notes each handler that runs for somebody else. */
function handlersOf(client: grpc.Client, method: LedgerMethod, caller: string, wrong: string[]): Promise<void> {
  const check = (handler: string): void => {
    const found = store.getStore();
    if (found !== caller) wrong.push(`${handler} of ${caller}: in the context of ${found}`);
  };
  const metadata = new grpc.Metadata();
  const options: grpc.CallOptions = { deadline: Date.now() + 5_000 };
  const stub = client as unknown as Record<
    LedgerMethod,
    (...args: unknown[]) => grpc.ClientDuplexStream<unknown, unknown>
  >;
  const hasCallback = method === 'Record' || method === 'RecordMany';
  const hasUpload = method === 'RecordMany' || method === 'RecordAndTalk';
  const callback = (): void => check('callback');
  const args = [...(hasUpload ? [] : [{ id: caller }]), metadata, options, ...(hasCallback ? [callback] : [])];
  return new Promise((resolve) => {
    const call = stub[method](...args);
    for (const event of ['metadata', ...(hasCallback ? [] : ['data', 'end', 'error'])]) {
      call.on(event, () => check(event));
    }
    call.on('status', () => {
      check('status');
      setImmediate(() => setImmediate(resolve));
    });
    if (hasUpload) {
      call.write({ id: caller }, () => check('write callback'));
      call.end();
    }
  });
}
