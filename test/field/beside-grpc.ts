import * as grpc from '@grpc/grpc-js';
import { createGraylane, type Graylane, type PolicyDocument } from '../../src/index';
import { type PaymentsClient, paymentsClient } from '../support/payments';
import { untilReady } from '../support/until-ready';
import { type Cell, MAX_ATTEMPTS, type Retry } from './cells';
import { type FaultService, startFaultService } from './fault-service';
import { type Seen, watchCall } from './watched-call';

/** Backoff is the only thing that the two need not have alike. */
const BACKOFF_MS = 5;

interface Opened {
  readonly client: PaymentsClient;
  ready(): Promise<void>;
  close(): Promise<void>;
}

type Open = (service: FaultService, cell: Cell) => Opened;

/** The call of the cell by Graylane, with servers of its own. */
export function seenByGraylane(cell: Cell): Promise<Seen> {
  return see(cell, openGraylane);
}

/** The same by grpc-js alone: `round_robin` over the same kind of servers, and an equal retry policy. */
export function seenByGrpc(cell: Cell): Promise<Seen> {
  return see(cell, openGrpc);
}

/** Long enough for the frames of one call, which starts with a warm connection. */
const SHORT_DEADLINE_MS = 250;
const LONGEST_DEADLINE_MS = 8_000;

/** On a busy machine a deadline may come before the server has done its part: all is done again with a longer one. */
async function see(cell: Cell, open: Open): Promise<Seen> {
  for (let deadlineMs = SHORT_DEADLINE_MS; deadlineMs < LONGEST_DEADLINE_MS; deadlineMs *= 2) {
    const seen = await seeOnce(cell, open, deadlineMs);
    if (seen !== undefined) return seen;
  }
  throw new Error('the server did not do its part in time');
}

async function seeOnce(cell: Cell, open: Open, deadlineMs: number): Promise<Seen | undefined> {
  const service = await startFaultService(cell);
  let opened: Opened | undefined;
  try {
    opened = open(service, cell);
    await Promise.all([opened.ready(), service.connected]);
    return await watchCall(opened.client, cell, service, deadlineMs);
  } finally {
    await opened?.close();
    service.close();
  }
}

function openGraylane({ host, ports }: FaultService, { retry, way }: Cell): Opened {
  const { codes, isOff } = retry;
  const policy: PolicyDocument = {
    schema: 1,
    service: 'payments',
    ...(isOff ? { retry: 'off' } : {}),
    ...(codes.length === 0
      ? {}
      : {
          retry: {
            maxAttempts: MAX_ATTEMPTS,
            retryableStatusCodes: codes,
            initialBackoffMs: BACKOFF_MS,
            maxBackoffMs: BACKOFF_MS,
          },
        }),
  };
  const graylane = createGraylane({
    instances: { payments: ports.map((port) => ({ address: host, port })) },
    policies: { payments: policy },
    telemetry: false,
    logger: { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} },
    closeTimeoutMs: 0,
  });
  const client = clientOf(graylane, way, channelOptions(retry));
  return {
    client,
    // Only channels that Graylane made itself are asked to connect by ready().
    ready: () => (way === 'bare target' ? untilReady(client) : graylane.ready('payments')),
    close: async () => {
      client.close();
      await graylane.close();
    },
  };
}

function clientOf(graylane: Graylane, way: Cell['way'], options: grpc.ChannelOptions): PaymentsClient {
  const target = graylane.target('payments');
  switch (way) {
    case 'client options':
      return paymentsClient(target, graylane.clientOptions(options));
    case 'channel()':
      return paymentsClient(target, {
        channelOverride: graylane.channel('payments', grpc.credentials.createInsecure(), options),
      });
    case 'bare target':
      return paymentsClient(target, options);
  }
}

function openGrpc({ host, ports }: FaultService, { retry }: Cell): Opened {
  const { codes } = retry;
  const seconds = `${BACKOFF_MS / 1000}s`;
  const retryPolicy = {
    maxAttempts: MAX_ATTEMPTS,
    initialBackoff: seconds,
    maxBackoff: seconds,
    backoffMultiplier: 1,
    retryableStatusCodes: codes,
  };
  const target = `ipv4:${ports.map((port) => `${host}:${port}`).join(',')}`;
  const client = paymentsClient(target, {
    ...channelOptions(retry),
    'grpc.service_config': JSON.stringify({
      loadBalancingConfig: [{ round_robin: {} }],
      methodConfig: [{ name: [{}], ...(codes.length === 0 ? {} : { retryPolicy }) }],
    }),
  });
  return {
    client,
    ready: () => untilReady(client),
    close: async () => client.close(),
  };
}

function channelOptions({ isDisabled }: Retry): grpc.ChannelOptions {
  return isDisabled ? { 'grpc.enable_retries': 0 } : {};
}
