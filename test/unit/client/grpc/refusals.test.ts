import * as grpc from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import { createGraylane, type Graylane } from '../../../../src/index';
import { closeAfterEach } from '../../../support/closers';
import { CHARGE, type PaymentsClient, paymentsClient } from '../../../support/payments';

const closing = closeAfterEach();
const insecure = grpc.credentials.createInsecure();
const any = (value: unknown): never => value as never;

function open(): Graylane {
  return closing(createGraylane({ name: 'shop', instances: { payments: [] } }), (opened) => opened.close());
}

const generator = grpc.credentials.createFromMetadataGenerator((_params, done) => done(null, new grpc.Metadata()));
const refusedCredentials: [string, unknown, RegExp][] = [
  ['none', undefined, /^credentials: undefined \(expected: ChannelCredentials of @grpc\/grpc-js, such as /],
  ['null', null, /^credentials: null \(/],
  ['a text', 'secret-token', /^credentials: a string \(/],
  ['a function', () => insecure, /^credentials: a function \(/],
  ['options in their place', { 'grpc.keepalive_time_ms': 1 }, /^credentials: an object \(/],
  [
    'call credentials',
    generator,
    /^credentials: CallCredentials, .*combineChannelCredentials\(\).* \(expected: Channel/,
  ],
  ['server credentials', grpc.ServerCredentials.createInsecure(), /^credentials: ServerCredentials \(/],
];

/** The ways in by which a channel is made. */
const waysIn: Record<string, (graylane: Graylane, credentials: never) => unknown> = {
  'clientOptions()': (graylane, credentials) =>
    paymentsClient(graylane.target('payments'), graylane.clientOptions(), credentials),
  'channelOptions()': (graylane, credentials) =>
    new grpc.Client(graylane.target('payments'), credentials, graylane.channelOptions()),
  'channel()': (graylane, credentials) => graylane.channel('payments', credentials),
};

describe('credentials', () => {
  for (const [way, make] of Object.entries(waysIn)) {
    // `paymentsClient` has credentials of its own for want of any.
    const cases = way === 'clientOptions()' ? refusedCredentials.slice(1) : refusedCredentials;
    it.each(cases)(`through ${way}: %s are refused by what they are`, (_name, credentials, message) => {
      const refused = expect.objectContaining({ code: 'INVALID_OPTION', message: expect.stringMatching(message) });
      expect(() => make(open(), any(credentials))).toThrow(refused);
    });
  }

  it('are never quoted', () => {
    expect(() => open().channel('payments', any('secret-token'))).not.toThrow(/secret-token/);
  });
});

describe('options', () => {
  it.each([
    ['null', null],
    ['5', 5],
    ['"text"', 'text'],
    ['a list', []],
    ['a function', () => {}],
  ])('%s are refused, and what was expected is told', (_name, options) => {
    const refused = expect.objectContaining({
      code: 'INVALID_OPTION',
      message: expect.stringMatching(/^options: .* \(expected: an object of channel options, such as \{/),
    });
    expect(() => open().channel('payments', insecure, any(options))).toThrow(refused);
    expect(() => open().clientOptions(any(options))).toThrow(refused);
    expect(() => open().channelOptions(any(options))).toThrow(refused);
  });

  it.each([
    ['no JSON', '{', /^grpc\.service_config: "\{" \(expected: the JSON text of a service config object; /],
    ['no text', {}, /^grpc\.service_config: an object \(expected: the JSON text/],
    [
      'JSON that is wrong',
      JSON.stringify({ methodConfig: [{ name: [{}], timeout: 5 }] }),
      /^grpc\.service_config\.methodConfig\[0\]\.timeout: 5 \(expected: seconds such as "0\.5s"\)$/,
    ],
  ])('with a service config that is %s are refused before grpc-js sees them', (_name, config, message) => {
    const options = { 'grpc.service_config': any(config) };
    const refused = expect.objectContaining({ code: 'INVALID_OPTION', message: expect.stringMatching(message) });
    expect(() => open().channel('payments', insecure, options)).toThrow(refused);
  });
});

describe('a target', () => {
  it.each([
    ['undefined', undefined],
    ['null', null],
    ['5', 5],
    ['an object', { service: 'payments' }],
  ])('that is %s is refused, and what was expected is told', (_name, target) => {
    const refused = expect.objectContaining({
      code: 'INVALID_TARGET',
      message: expect.stringMatching(/^target: .* \(expected: a service name or a target, such as /),
    });
    const graylane = open();
    expect(() => graylane.channel(any(target), insecure)).toThrow(refused);
    expect(() => graylane.explain(any(target), { method: CHARGE })).toThrow(refused);
  });
});

describe('after it was closed', () => {
  const request = { deadline: Date.now() + 5_000 };
  const metadata = new grpc.Metadata();
  const kinds: Record<string, (client: PaymentsClient) => unknown> = {
    'a unary call': (client) => client.charge({}, metadata, request, () => {}),
    'a stream of responses': (client) => client.watch({ count: 1 }),
    'a stream of requests': (client) => client.upload(metadata, () => {}),
    'a stream both ways': (client) => client.converse(),
    'watching its state': (client) => client.getChannel().watchConnectivityState(0, Date.now() + 1_000, () => {}),
  };
  it.each(Object.entries(kinds))('%s names the service and what was closed', async (_kind, call) => {
    const graylane = open();
    const client = paymentsClient(graylane.target('payments'), graylane.clientOptions());
    const other = paymentsClient(graylane.target('payments'), graylane.clientOptions());
    client.close();
    client.close();
    const ofClient =
      'payments: Channel has been shut down (the channel, or the client that uses it, was closed: close())';
    expect(() => call(client)).toThrow(expect.objectContaining({ code: 'CHANNEL_CLOSED', message: ofClient }));
    await graylane.close();
    const ofGraylane = 'payments: Channel has been shut down (graylane "shop" was closed: close())';
    expect(() => call(other)).toThrow(expect.objectContaining({ code: 'CHANNEL_CLOSED', message: ofGraylane }));
    // Who was first to close it is told.
    expect(() => call(client)).toThrow(ofClient);
  });

  it('a channel still says what it was, and stays closed whoever asks', () => {
    const graylane = open();
    const channel = graylane.channel('payments', insecure);
    const { id } = channel.getChannelzRef();
    channel.close();
    expect(channel.getTarget()).toBe('static:///payments');
    expect(channel.getChannelzRef().id).toBe(id);
    expect(channel.getConnectivityState(true)).toBe(grpc.connectivityState.SHUTDOWN);
    const heard = new Promise((resolve) =>
      new grpc.Client('unused', insecure, { channelOverride: channel }).waitForReady(Date.now() + 1_000, resolve),
    );
    return expect(heard).resolves.toMatchObject({ message: 'The channel has been closed' });
  });
});
