import * as grpc from '@grpc/grpc-js';
import { expect, it } from 'vitest';
import { createGraylane, type Graylane } from '../../src/index';
import { CALL_KINDS, type CallKind } from '../support/call-kinds';
import { type EnforcingOptions, type EnforcingServer, startEnforcingServer } from '../support/enforcing-server';
import { printFact } from '../support/figure';
import { type PaymentsClient, paymentsClient } from '../support/payments';
import type { RawStream } from '../support/raw-http2-server';
import { answer, type CallKind as MatrixKind, sendHeaders, sendMessage } from './endings';

/** Payments methods by what the matrix calls their kind. */
const KINDS: Readonly<Record<CallKind, MatrixKind>> = {
  charge: 'unary',
  upload: 'client streaming',
  watch: 'server streaming',
  converse: 'bidi',
};

interface Way {
  readonly name: string;
  readonly open: (graylane: Graylane, options: grpc.ChannelOptions) => PaymentsClient;
}

const BY_CLIENT_OPTIONS: Way = {
  name: 'client options',
  open: (graylane, options) => paymentsClient(graylane.target('payments'), graylane.clientOptions(options)),
};
const WAYS: readonly Way[] = [
  BY_CLIENT_OPTIONS,
  {
    name: 'channel()',
    open: (graylane, options) =>
      paymentsClient('unused', {
        channelOverride: graylane.channel('payments', grpc.credentials.createInsecure(), options),
      }),
  },
];

type Enforcement = Omit<EnforcingOptions, 'onStream'>;

export function testQuietCalls(quietMs: number, enforcement: Enforcement): void {
  for (const { name, open } of WAYS) {
    it.concurrent(
      `calls of all kinds that are quiet for ${quietMs / 1000} s are not cut, by ${name}`,
      async () => {
        const { codes, goaways, pings } = await callQuietly(quietMs, enforcement, open, {});
        printFact(
          `quiet for ${quietMs / 1000} s, by ${name}`,
          `${pings} pings, ${goaways} connections told to calm down`,
        );
        expect(codes).toEqual({ charge: 'OK', upload: 'OK', watch: 'OK', converse: 'OK' });
        expect(goaways).toBe(0);
      },
      quietMs + 60_000,
    );
  }

  it.concurrent('keepalive that the user asks for is as he says', async () => {
    const { codes, pings } = await callQuietly(3_000, { minTimeMs: 100 }, BY_CLIENT_OPTIONS.open, {
      'grpc.keepalive_time_ms': 500,
    });
    expect(codes).toEqual({ charge: 'OK', upload: 'OK', watch: 'OK', converse: 'OK' });
    expect(pings).toBeGreaterThan(2);
  });
}

interface QuietResult {
  readonly codes: Readonly<Record<string, string>>;
  readonly goaways: number;
  readonly pings: number;
}

/** One call of each kind at the same time, over two instances that enforce keepalive. */
async function callQuietly(
  quietMs: number,
  enforcement: Enforcement,
  open: Way['open'],
  options: grpc.ChannelOptions,
): Promise<QuietResult> {
  // The server cannot read the request's path: a server for each kind it is.
  const ended = await Promise.all(
    (Object.keys(KINDS) as CallKind[]).map(async (kind) => {
      const { code, servers } = await callOneKind(kind, quietMs, enforcement, open, options);
      return { kind, code, servers };
    }),
  );
  const servers = ended.flatMap((each) => each.servers);
  return {
    codes: Object.fromEntries(ended.map(({ kind, code }) => [kind, grpc.status[code] ?? String(code)])),
    goaways: servers.reduce((sum, { goaways }) => sum + goaways, 0),
    pings: servers.reduce((sum, { pings }) => sum + pings, 0),
  };
}

async function callOneKind(
  kind: CallKind,
  quietMs: number,
  enforcement: Enforcement,
  open: Way['open'],
  options: grpc.ChannelOptions,
): Promise<{ readonly code: number; readonly servers: readonly EnforcingServer[] }> {
  const serve = (stream: RawStream): void => void answerQuietly(stream, KINDS[kind], quietMs);
  const servers = [
    await startEnforcingServer({ ...enforcement, onStream: serve }),
    await startEnforcingServer({ ...enforcement, onStream: serve }),
  ];
  const graylane = createGraylane({
    instances: { payments: servers.map(({ port }) => ({ address: '127.0.0.1', port })) },
    telemetry: false,
    logger: { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} },
    closeTimeoutMs: 0,
  });
  try {
    const client = open(graylane, options);
    await graylane.ready('payments');
    const code = await new Promise<number>((resolve) => CALL_KINDS[kind](client, new grpc.Metadata(), resolve));
    client.close();
    return { code, servers };
  } finally {
    await graylane.close();
    for (const server of servers) server.close();
  }
}

/** Streams of answers begin at once, and are quiet after their first. */
async function answerQuietly(stream: RawStream, kind: MatrixKind, quietMs: number): Promise<void> {
  await stream.requestEnded;
  const isStream = kind === 'server streaming' || kind === 'bidi';
  if (isStream) {
    sendHeaders(stream);
    sendMessage(stream);
  }
  await new Promise((resolve) => setTimeout(resolve, quietMs).unref());
  answer(stream, kind, isStream ? 'after a message' : 'before headers');
}
