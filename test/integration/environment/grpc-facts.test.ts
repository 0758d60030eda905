import * as grpc from '@grpc/grpc-js';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  attachedToMetadata,
  attachToMetadata,
  CLIENT_OPTION,
  CONFIG_SELECTOR_KEY,
  connectivity,
  GROUP_OPTION,
  LINK_ATTRIBUTE,
  pickKind,
  stopperOfPings,
  valuesByKey,
} from '../../../src/client/grpc/grpc-js';
import {
  CHARGE,
  charge,
  type PaymentsClient,
  type PaymentsServer,
  paymentsClient,
  startPaymentsServer,
} from '../../support/payments';
import { completePick, type FactsScript, factsTarget, plainConfig } from './facts-channel';

// What this library takes for granted of grpc-js and no public contract promises. A test that turns red here after an
// upgrade names the assumption to look at, before anything built on it fails in a stranger way.

const RETRY = { initialBackoff: '0.001s', maxBackoff: '0.001s', backoffMultiplier: 1 };

let server: PaymentsServer;
const clients: PaymentsClient[] = [];
beforeAll(async () => {
  server = await startPaymentsServer();
});
afterEach(() => {
  for (const client of clients.splice(0)) client.close();
  server.behave(undefined);
});
afterAll(() => server.kill());

function open(script: Omit<FactsScript, 'address'>): PaymentsClient {
  const client = paymentsClient(factsTarget({ address: server, ...script }));
  clients.push(client);
  return client;
}

function failing(calls: Promise<unknown>): Promise<grpc.ServiceError> {
  return calls.then(
    () => Promise.reject(new Error('the call was to fail')),
    (error: grpc.ServiceError) => error,
  );
}

describe('names and numbers of grpc-js that are copied here', () => {
  it('connectivity states and kinds of picks', () => {
    expect(connectivity).toEqual({
      IDLE: grpc.connectivityState.IDLE,
      CONNECTING: grpc.connectivityState.CONNECTING,
      READY: grpc.connectivityState.READY,
      TRANSIENT_FAILURE: grpc.connectivityState.TRANSIENT_FAILURE,
      SHUTDOWN: grpc.connectivityState.SHUTDOWN,
    });
    const { PickResultType } = grpc.experimental;
    expect(pickKind).toEqual({
      COMPLETE: PickResultType.COMPLETE,
      QUEUE: PickResultType.QUEUE,
      TRANSIENT_FAILURE: PickResultType.TRANSIENT_FAILURE,
      DROP: PickResultType.DROP,
    });
  });

  it('the key of the config selector, and the prefix of what subchannels are not compared by', () => {
    expect(CONFIG_SELECTOR_KEY).toBe(grpc.experimental.CHANNEL_ARGS_CONFIG_SELECTOR_KEY);
    for (const key of [CLIENT_OPTION, LINK_ATTRIBUTE, GROUP_OPTION]) {
      expect(key.startsWith(grpc.experimental.SUBCHANNEL_ARGS_EXCLUDE_KEY_PREFIX)).toBe(true);
    }
  });
});

describe('keepalive of a transport', () => {
  it('can be stopped from outside, which calls on a server that drains depend on', async () => {
    let stop: (() => void) | undefined;
    let pings: { keepaliveTimeMs: number; keepaliveTimer: unknown } | undefined;
    const client = open({
      invoke: () => plainConfig(),
      pick: (_args, subchannel) => {
        stop = stopperOfPings(subchannel);
        pings = (subchannel.getRealSubchannel() as unknown as { transport: typeof pings }).transport;
        return completePick(subchannel);
      },
    });
    await charge(client);
    await charge(client);
    expect(stop).toBeTypeOf('function');
    expect(pings).toMatchObject({ keepaliveTimeMs: expect.any(Number) });
    stop?.();
    expect(pings).toMatchObject({ keepaliveTimeMs: -1, keepaliveTimer: null });
  });
});

describe('metadata', () => {
  it('keeps the very object attached to its options through clones, and sends nothing of it', async () => {
    const key = Symbol('attached');
    const attached = { call: 1 };
    const metadata = new grpc.Metadata({ waitForReady: true });
    attachToMetadata(metadata, key, attached);
    expect(attachedToMetadata(metadata.clone().clone(), key)).toBe(attached);
    expect(metadata.clone().getOptions()).toMatchObject({ waitForReady: true });
    expect(Object.keys(metadata.toHttp2Headers())).toEqual([]);
  });

  it('keeps its values by key in lower case, in a map that later changes go into', () => {
    const metadata = new grpc.Metadata();
    const values = valuesByKey(metadata);
    metadata.add('X-A', '1');
    metadata.add('x-a', '2');
    metadata.merge(grpc.Metadata.fromHttp2Headers({ 'x-b': '3' }));
    expect([...(values ?? [])]).toEqual([
      ['x-a', ['1', '2']],
      ['x-b', ['3']],
    ]);
  });

  it('reaches selector and picker with what was attached to it', async () => {
    const key = Symbol('attached');
    const attached = { call: 1 };
    const seen: unknown[] = [];
    const client = open({
      invoke: (_method, metadata) => {
        seen.push(attachedToMetadata(metadata, key));
        return plainConfig();
      },
      pick: (args, subchannel) => {
        seen.push(attachedToMetadata(args.metadata, key));
        return completePick(subchannel);
      },
    });
    const metadata = new grpc.Metadata();
    attachToMetadata(metadata, key, attached);
    await charge(client, metadata);
    expect(seen).toHaveLength(2);
    for (const each of seen) expect(each).toBe(attached);
  });

  it('may be changed by the picker: that attempt sends it, the next begins without', async () => {
    const before: string[] = [];
    let attempts = 0;
    const client = open({
      invoke: () => plainConfig({ retryPolicy: { ...RETRY, maxAttempts: 3, retryableStatusCodes: ['UNAVAILABLE'] } }),
      pick: (args, subchannel) => {
        attempts += 1;
        before.push(String(args.metadata.get('x-tag')));
        args.metadata.set('x-tag', `attempt ${attempts}`);
        if (attempts === 2) server.behave(undefined);
        return completePick(subchannel);
      },
    });
    server.behave({ code: grpc.status.UNAVAILABLE });
    const reply = await charge(client);
    expect(reply.tag).toBe('attempt 2');
    expect(before).toEqual(['', '']);
  });
});

describe('the config selector', () => {
  it('runs once a call; every attempt of the call is picked with the very object it returned', async () => {
    let selections = 0;
    const information: unknown[] = [];
    const mine = { decided: true };
    const client = open({
      invoke: (method) => {
        expect(method).toBe(CHARGE);
        selections += 1;
        const retryPolicy = { ...RETRY, maxAttempts: 3, retryableStatusCodes: ['UNAVAILABLE'] };
        return plainConfig({ retryPolicy }, mine);
      },
      pick: (args, subchannel) => {
        information.push(args.extraPickInfo);
        return completePick(subchannel);
      },
    });
    server.behave({ code: grpc.status.UNAVAILABLE });
    await failing(charge(client));
    expect(selections).toBe(1);
    expect(information).toHaveLength(3);
    for (const each of information) expect(each).toBe(mine);
  });

  it("shortens the caller's deadline by its timeout and never lengthens it", async () => {
    let timeout = { seconds: 0, nanos: 40_000_000 };
    const client = open({ invoke: () => plainConfig({ timeout }), pick: (_, subchannel) => completePick(subchannel) });
    await charge(client, {}, { deadline: Date.now() + 5_000 }).catch(() => {});
    server.behave({ delayMs: 4_000 });
    const shortened = performance.now();
    expect((await failing(charge(client))).code).toBe(grpc.status.DEADLINE_EXCEEDED);
    expect(performance.now() - shortened).toBeLessThan(3_000);
    timeout = { seconds: 30, nanos: 0 };
    const own = performance.now();
    const failure = await failing(charge(client, {}, { deadline: Date.now() + 40 }));
    expect(failure.code).toBe(grpc.status.DEADLINE_EXCEEDED);
    expect(performance.now() - own).toBeLessThan(3_000);
  });

  it('may give a getter for retryableStatusCodes: it is read at each failure, and an empty answer ends the call', async () => {
    let reads = 0;
    let picks = 0;
    const retryPolicy = {
      ...RETRY,
      maxAttempts: 5,
      get retryableStatusCodes() {
        reads += 1;
        return reads < 3 ? ['UNAVAILABLE'] : [];
      },
    };
    const client = open({
      invoke: () => plainConfig({ retryPolicy }),
      pick: (_, subchannel) => {
        picks += 1;
        return completePick(subchannel);
      },
    });
    server.behave({ code: grpc.status.UNAVAILABLE, details: 'the real one' });
    const failure = await failing(charge(client));
    expect(failure).toMatchObject({ code: grpc.status.UNAVAILABLE, details: 'the real one' });
    expect({ reads, picks }).toEqual({ reads: 3, picks: 3 });
  });
});

describe('a pick result', () => {
  it('may stand in for its subchannel, and so sees each status before the retry decision does; onCallEnded comes after that', async () => {
    const events: string[] = [];
    const retryPolicy = {
      ...RETRY,
      maxAttempts: 2,
      get retryableStatusCodes() {
        events.push('retry decision');
        return ['UNAVAILABLE'];
      },
    };
    const client = open({
      invoke: () => plainConfig({ retryPolicy }),
      pick: (_, subchannel) =>
        completePick(watched(subchannel, events), {
          onCallStarted: () => events.push('started'),
          onCallEnded: () => {
            events.push('ended');
          },
        }),
    });
    server.behave({ code: grpc.status.UNAVAILABLE });
    await new Promise<void>((resolve) => {
      const call = client.charge({ order: 'o' }, () => resolve());
      call.on('status', () => events.push('caller'));
    });
    const attempt = ['created', 'started', 'status', 'retry decision', 'ended'];
    expect(events).toEqual([...attempt, ...attempt, 'caller']);
  });

  it('is never started when the call is cancelled between pick and start', async () => {
    const events: string[] = [];
    let cancel = (): void => {};
    const client = open({
      invoke: () => plainConfig(),
      pick: (_, subchannel) => {
        events.push('picked');
        queueMicrotask(() => cancel());
        return completePick(subchannel, {
          onCallStarted: () => events.push('started'),
          onCallEnded: () => {
            events.push('ended');
          },
        });
      },
    });
    await charge(client);
    events.length = 0;
    await new Promise<void>((resolve) => {
      const call = client.charge({ order: 'o' }, () => resolve());
      cancel = () => call.cancel();
    });
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(events).toEqual(['picked']);
  });
});

describe('subchannels', () => {
  it('are the same for options that differ under the excluded prefix, and others for another config selector', async () => {
    const made: grpc.experimental.SubchannelInterface[] = [];
    const client = open({
      invoke: () => plainConfig(),
      pick: (_, subchannel) => completePick(subchannel),
      updated: (helper) => {
        for (const key of [CLIENT_OPTION, CLIENT_OPTION, CONFIG_SELECTOR_KEY, CONFIG_SELECTOR_KEY]) {
          made.push(helper.createSubchannel(server, { [key]: {} }));
        }
      },
    });
    await charge(client);
    const real = made.map((subchannel) => subchannel.getRealSubchannel());
    expect(real[0]).toBe(real[1]);
    expect(real[2]).not.toBe(real[3]);
  });
});

/** The same subchannel, telling when a call is created on it and when that call's status comes in. */
function watched(
  subchannel: grpc.experimental.SubchannelInterface,
  events: string[],
): grpc.experimental.SubchannelInterface {
  const real = subchannel.getRealSubchannel();
  type CreateCall = typeof real.createCall;
  const createCall = (...[metadata, host, method, listener, id]: Parameters<CreateCall>): ReturnType<CreateCall> => {
    events.push('created');
    const spy = {
      onReceiveMetadata: (value: grpc.Metadata) => listener.onReceiveMetadata(value),
      onReceiveMessage: (value: Buffer) => listener.onReceiveMessage(value),
      onReceiveStatus: (value: Parameters<typeof listener.onReceiveStatus>[0]) => {
        events.push('status');
        listener.onReceiveStatus(value);
      },
    };
    return real.createCall(metadata, host, method, spy, id);
  };
  return {
    getConnectivityState: () => subchannel.getConnectivityState(),
    getCallCredentials: () => subchannel.getCallCredentials(),
    getRealSubchannel: () => ({ createCall }),
  } as unknown as grpc.experimental.SubchannelInterface;
}
