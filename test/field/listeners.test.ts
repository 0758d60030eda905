import * as grpc from '@grpc/grpc-js';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createGraylane, type Graylane, type Logger, type PinoLogger } from '../../src/index';
import { loadShedding, stopOnSignals } from '../../src/server';
import { closeAfterEach } from '../support/closers';
import { charge, type PaymentsServer, paymentsClient, startPaymentsServer } from '../support/payments';
import { rawMethod } from '../support/raw-method';

const opened = closeAfterEach();
const METHOD = rawMethod('/field.Work/Do');
const WORK = { do: METHOD };
const WorkClient = grpc.makeGenericClientConstructor(WORK, 'field.Work');

/** Makes one call; its code. */
function work(client: grpc.Client): Promise<number> {
  return new Promise((resolve) =>
    client.makeUnaryRequest(METHOD.path, METHOD.requestSerialize, METHOD.responseDeserialize, Buffer.of(1), (error) =>
      resolve(error?.code ?? 0),
    ),
  );
}

/** What an application's function may do wrong. TypeScript takes an async function for one that returns nothing. */
const FAULTS: Readonly<Record<string, () => unknown>> = {
  throws: () => {
    throw new Error('fault of the application');
  },
  'throws nothing': () => {
    throw undefined;
  },
  rejects: async () => {
    throw new Error('fault of the application');
  },
  'rejects later': async () => {
    await new Promise((resolve) => setTimeout(resolve, 5));
    throw new Error('fault of the application');
  },
  'rejects with what cannot be shown': () => Promise.reject(Object.create(null)),
  'returns a thenable that throws': () => ({
    // biome-ignore lint/suspicious/noThenProperty: what is tried here
    then() {
      throw new Error('fault of the application');
    },
  }),
  'returns what throws when it is looked at': () => {
    const look = (): never => {
      throw new Error('fault of the application');
    };
    return new Proxy({}, { has: look, get: look });
  },
};

interface Bench {
  readonly graylane: Graylane;
  readonly errors: readonly string[];
  /** Five calls that the server fails, which open the canary's breakers, then five that succeed. */
  calls(scope?: Parameters<Graylane['with']>[0]): Promise<void>;
}

let server: PaymentsServer;
let stable: PaymentsServer;
let unhandled: unknown[];
let warned: string[];
const onUnhandled = (reason: unknown): void => void unhandled.push(reason);
const onWarning = ({ message }: Error): void => void warned.push(message);

beforeEach(async () => {
  server = await startPaymentsServer({ name: 'canary', version: 'canary' });
  stable = await startPaymentsServer({ name: 'stable' });
  unhandled = [];
  warned = [];
  process.on('unhandledRejection', onUnhandled);
  process.on('warning', onWarning);
});
afterEach(() => {
  process.off('unhandledRejection', onUnhandled);
  process.off('warning', onWarning);
  server.kill();
  stable.kill();
});

function bench(logger?: Logger | PinoLogger): Bench {
  const errors: string[] = [];
  const error = (message: string): void => void errors.push(message);
  const graylane = opened(
    createGraylane({
      instances: {
        payments: [server, stable].map(({ host, port, version }) => ({ address: host, port, tags: [version] })),
      },
      policies: {
        payments: {
          ...{ schema: 1, service: 'payments', default: 'canary' },
          subsets: { stable: { tags: ['stable'] }, canary: { tags: ['canary'], fallback: 'stable' } },
          subsetBreaker: { volumeThreshold: 2 },
        },
      },
      logger: logger ?? { debug() {}, info() {}, warn() {}, error },
    }),
    (each) => each.close(),
  );
  const client = opened(paymentsClient(graylane.target('payments'), graylane.clientOptions()), (each) => each.close());
  const call = () => charge(client).catch(() => {});
  return {
    graylane,
    errors,
    async calls(scope = {}) {
      server.behave({ code: 14 });
      for (let made = 0; made < 5; made += 1) await graylane.with(scope, call);
      server.behave(undefined);
      for (let made = 0; made < 5; made += 1) await graylane.with(scope, call);
      // Whatever a listener began has come to its end, and unhandled rejections have been told.
      await new Promise((resolve) => setTimeout(resolve, 30));
    },
  };
}

/** Each way to hand in a function that hears of something, and how often it is heard of at least. */
const LISTENERS: Readonly<
  Record<string, { readonly kind: string; listen(one: Bench, fault: () => unknown): Promise<void> }>
> = {
  'with({ observe })': {
    kind: 'observe',
    listen: (one, fault) => one.calls({ observe: fault }),
  },
  "on('decision')": {
    kind: 'decision',
    listen: async (one, fault) => {
      one.graylane.on('decision', fault);
      await one.calls();
    },
  },
  'breakers.subscribe()': {
    kind: 'breakers',
    listen: async (one, fault) => {
      for (let twice = 0; twice < 2; twice += 1) one.graylane.breakers.subscribe(fault);
      await one.calls();
    },
  },
  'an opossum object': {
    kind: 'breakers',
    listen: async (one, fault) => {
      await one.calls();
      const [view] = one.graylane.breakers.list().filter(({ level }) => level === 'subset');
      const circuit = one.graylane.breakers.opossum('payments', view?.key ?? '') as {
        on(event: string, listener: () => unknown): void;
        readonly status: { on(event: string, listener: () => unknown): void; emit(event: string): void };
        open(): void;
        close(): void;
      };
      for (const event of ['open', 'close', 'success', 'failure', 'fire']) circuit.on(event, fault);
      circuit.close();
      circuit.open();
      await one.calls();
    },
  },
};

describe('a listener of the application', () => {
  const cases = Object.keys(LISTENERS).flatMap((way) => Object.keys(FAULTS).map((fault) => [way, fault] as const));

  it.each(cases)('%s that %s: told once, and nothing ends', async (way, name) => {
    const { kind, listen } = LISTENERS[way] ?? expect.fail(way);
    let heard = 0;
    const one = bench();
    await listen(one, () => {
      heard += 1;
      return FAULTS[name]?.();
    });
    expect(heard).toBeGreaterThan(1);
    expect(unhandled).toEqual([]);
    expect(one.errors.filter((line) => line.startsWith(`a listener failed (${kind})`))).toHaveLength(1);
    expect(server.calls + stable.calls).toBeGreaterThanOrEqual(10);
  });

  it.each(Object.keys(FAULTS))('a logger, of either shape, that %s: told once, and nothing ends', async (name) => {
    const fault = (): never => FAULTS[name]?.() as never;
    const plain: Logger = { debug: fault, info: fault, warn: fault, error: fault };
    const pino: PinoLogger = { debug: fault, info: fault, warn: fault, error: fault, child: fault, bindings: fault };
    for (const logger of [plain, pino]) {
      warned = [];
      const one = bench(logger);
      one.graylane.on('decision', fault);
      await one.calls({ observe: fault });
      expect(unhandled).toEqual([]);
      expect(warned.filter((line) => line.startsWith('the logger given to graylane failed'))).toHaveLength(1);
    }
  });
});

describe('a function of the application in a server', () => {
  const quiet = (errors: string[]): Logger => ({
    debug() {},
    info() {},
    warn() {},
    error: (message) => void errors.push(message),
  });

  it.each(Object.keys(FAULTS))('criticalityOf that %s: told once, and calls are answered', async (name) => {
    const errors: string[] = [];
    const criticalityOf = (): never => FAULTS[name]?.() as never;
    const { interceptor } = loadShedding({ criticalityOf, logger: quiet(errors) });
    const answering = new grpc.Server({ interceptors: [interceptor] });
    opened(answering, (each) => each.forceShutdown());
    answering.addService(WORK, {
      do: (_: unknown, callback: grpc.sendUnaryData<Buffer>) => callback(null, Buffer.of(1)),
    });
    const port = await new Promise<number>((resolve, reject) =>
      answering.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, bound) =>
        error === null ? resolve(bound) : reject(error),
      ),
    );
    const client = opened(new WorkClient(`127.0.0.1:${port}`, grpc.credentials.createInsecure()), (each) =>
      each.close(),
    );
    for (let made = 0; made < 3; made += 1) expect(await work(client)).toBe(0);
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(unhandled).toEqual([]);
    expect(errors.filter((line) => line.startsWith('a listener failed (criticalityOf)'))).toHaveLength(1);
  });

  it.each(Object.keys(FAULTS))('afterwards of stopOnSignals() that %s: told, and nothing ends', async (name) => {
    const { exitCode } = process;
    const errors: string[] = [];
    const off = stopOnSignals(
      { stop: async () => {} },
      { signals: ['SIGUSR2'], logger: quiet(errors), afterwards: () => FAULTS[name]?.() },
    );
    process.emit('SIGUSR2', 'SIGUSR2');
    await expect.poll(() => errors).toEqual(['stopping failed']);
    expect(process.exitCode).toBe(1);
    expect(unhandled).toEqual([]);
    process.exitCode = exitCode;
    off();
  });
});

it('a policy in code with a getter that throws what cannot be shown: is refused as invalid', () => {
  const policy = {
    ...({ schema: 1, service: 'payments' } as const),
    get subsets(): never {
      throw Object.create(null);
    },
  };
  expect(() => createGraylane({ instances: {}, policies: { payments: policy } })).toThrow(/cannot be shown/);
});
