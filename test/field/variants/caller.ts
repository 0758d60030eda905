import * as grpc from '@grpc/grpc-js';
import { createGraylane, type Graylane, type PolicyDocument } from '../../../src/index';
import { DEFINITION, type Definition, hasOneResponse, hasUpload, type Kind, type Service } from './service';

/** How a call comes to Graylane; `grpc-js`: not at all. */
export const WAYS = ['clientOptions()', 'channel()', 'a bare target'] as const;
export type Way = (typeof WAYS)[number] | 'grpc-js';

export type ClientCall = grpc.ClientDuplexStream<Buffer, Buffer>;
export type Client = grpc.Client & Readonly<Record<Kind, (...args: readonly unknown[]) => ClientCall>>;

interface Opened {
  readonly client: Client;
  close(): Promise<void>;
}

interface OpenOptions {
  readonly isRetried: boolean;
  readonly options?: grpc.ClientOptions | undefined;
  readonly definition?: Partial<Definition> | undefined;
}

const MAX_ATTEMPTS = 3;
const BACKOFF_MS = 5;
const insecure = grpc.credentials.createInsecure();
const silent = { debug() {}, info() {}, warn() {}, error() {} };

export function openClient(way: Way, { ports }: Service, open: OpenOptions): Opened {
  const { isRetried, options = {}, definition = {} } = open;
  const Constructor = grpc.makeGenericClientConstructor({ ...DEFINITION, ...definition }, 'test.Variants');
  const make = (target: string, given: grpc.ClientOptions): Client =>
    new Constructor(target, insecure, given) as unknown as Client;
  if (way === 'grpc-js') {
    const target = `ipv4:${ports.map((port) => `127.0.0.1:${port}`).join(',')}`;
    const client = make(target, { 'grpc.service_config': serviceConfig(isRetried), ...options });
    return { client, close: async () => client.close() };
  }
  const graylane = createGraylane({
    instances: { variants: ports.map((port) => ({ address: '127.0.0.1', port })) },
    policies: { variants: policy(isRetried) },
    telemetry: false,
    logger: silent,
    closeTimeoutMs: 0,
  });
  const client = make(graylane.target('variants'), optionsBy(way, graylane, options));
  const close = async (): Promise<void> => {
    client.close();
    await graylane.close();
  };
  return { client, close };
}

function optionsBy(way: Way, graylane: Graylane, options: grpc.ClientOptions): grpc.ClientOptions {
  if (way === 'a bare target') return options;
  if (way === 'clientOptions()') return graylane.clientOptions(options);
  const { interceptors, ...ofChannel } = options;
  const channelOverride = graylane.channel('variants', insecure, ofChannel as grpc.ChannelOptions);
  return { ...options, channelOverride };
}

function policy(isRetried: boolean): PolicyDocument {
  const backoff = { initialBackoffMs: BACKOFF_MS, maxBackoffMs: BACKOFF_MS, backoffMultiplier: 1 };
  const retry = { maxAttempts: MAX_ATTEMPTS, retryableStatusCodes: ['UNAVAILABLE'] as const, ...backoff };
  return { schema: 1, service: 'variants', ...(isRetried && { retry }) };
}

function serviceConfig(isRetried: boolean): string {
  const backoff = `${BACKOFF_MS / 1_000}s`;
  const retryPolicy = {
    maxAttempts: MAX_ATTEMPTS,
    initialBackoff: backoff,
    maxBackoff: backoff,
    backoffMultiplier: 1,
    retryableStatusCodes: ['UNAVAILABLE'],
  };
  const methodConfig = [{ name: [{}], ...(isRetried && { retryPolicy }) }];
  return JSON.stringify({ loadBalancingConfig: [{ round_robin: {} }], methodConfig });
}

export interface Caller {
  readonly kind: Kind;
  readonly client: Client;
  readonly service: Service;
}

export interface CallOptions {
  readonly message?: Buffer;
  readonly metadata?: grpc.Metadata;
  readonly options?: grpc.CallOptions;
  /** Called with each thing that is heard of the call, while it is heard. */
  readonly on?: (event: string, call: ClientCall, value: unknown) => void;
  /** Writes nothing and does not end: the caller does. */
  readonly isOpen?: boolean;
}

interface Call {
  readonly call: ClientCall;
  /** What was heard of it, in this order. */
  readonly heard: string[];
  /** All of it, also what comes after the status. */
  readonly ended: Promise<readonly string[]>;
}

const LONG_MS = 5_000;

/** Begins a call and notes all that its caller can hear of it. */
export function begin({ kind, client }: Caller, given: CallOptions = {}): Call {
  const { message = Buffer.from('hello'), metadata = new grpc.Metadata(), on, isOpen = false } = given;
  const options = given.options ?? { deadline: Date.now() + LONG_MS };
  const heard: string[] = [];
  let call: ClientCall | undefined;
  const hear = (event: string, what: string, value: unknown): void => {
    heard.push(what === '' ? event : `${event} ${what}`);
    if (call !== undefined) on?.(event, call, value);
  };
  const hasCallback = hasOneResponse(kind);
  let left = hasCallback ? 2 : 1;
  let settle = (): void => {};
  const ended = new Promise<readonly string[]>((resolve) => {
    settle = () => {
      left -= 1;
      if (left === 0) setTimeout(() => resolve(heard), 20);
    };
  });
  const callback = (error: grpc.ServiceError | null, reply: Buffer | undefined): void => {
    hear('callback', error === null ? String(reply) : sayStatus(error), error);
    settle();
  };
  const request = hasUpload(kind) ? [] : [message];
  call = client[kind](...request, metadata, options, ...(hasCallback ? [callback] : []));
  call.on('metadata', (received: grpc.Metadata) => hear('metadata', keysOf(received), received));
  call.on('error', (error: grpc.ServiceError) => {
    if (!hasCallback) hear('error', sayStatus(error), error);
  });
  if (!hasCallback) {
    call.on('data', (reply: Buffer) => hear('data', `${reply.length} ${reply.subarray(0, 16)}`, reply));
    call.on('end', () => hear('end', '', undefined));
  }
  call.on('status', (status: grpc.StatusObject) => {
    // Client and server both keep to the deadline: which of them says so first is chance.
    const keys = status.code === grpc.status.DEADLINE_EXCEEDED ? '' : keysOf(status.metadata);
    hear('status', `${sayStatus(status)} ${keys}`, status);
    settle();
  });
  if (hasUpload(kind) && !isOpen) {
    for (let sent = 0; sent < 2; sent += 1) call.write(message);
    call.end();
  }
  return { call, heard, ended };
}

/** Without addresses, and without the times that grpc-js adds up. */
function sayStatus({ code, details }: Pick<grpc.StatusObject, 'code' | 'details'>): string {
  const plain = String(details)
    .replaceAll(/127\.0\.0\.1:\d+/g, 'ADDRESS')
    .replace(/^(Deadline exceeded)( after.*)?$/s, '$1');
  return `${grpc.status[code] ?? code} ${plain}`;
}

function keysOf(metadata: grpc.Metadata): string {
  const keys = Object.keys(metadata.getMap()).filter((key) => key !== 'date');
  return keys.sort().join();
}
