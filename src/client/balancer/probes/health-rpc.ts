import { headersOnly, type RealSubchannel, type StatusObject, type SubchannelCall } from '../../grpc/grpc-js';
import { readNumbers } from '../protobuf';

const OK = 0;
const CANCELLED = 1;

/**
 * How a server answered a health check. `bad`: it said NOT_SERVING, or a status that speaks of illness; `none`: it has
 * no health service, or none for us.
 */
export type HealthAnswer = 'serving' | 'bad' | 'none';

/**
 * Statuses that speak of illness. Every other one is the word of a server that lives and has no health service for us.
 */
const ILL: ReadonlyMap<number, string> = new Map([
  [2, 'UNKNOWN'],
  [4, 'DEADLINE_EXCEEDED'],
  [8, 'RESOURCE_EXHAUSTED'],
  [13, 'INTERNAL'],
  [14, 'UNAVAILABLE'],
  [15, 'DATA_LOSS'],
]);

/**
 * Asks `grpc.health.v1.Health/Check` on the transport of one subchannel: beside the channel's filters, interceptors and
 * statistics, with no metadata of any caller and without call credentials. Not through `getChannel()` of grpc-js, whose
 * deadlines keep the process alive and whose entry in channelz is never taken out. `ended` is called once, never
 * synchronously, unless the returned function gave the check up before. Throws when the transport is gone.
 */
export function askHealth(
  subchannel: RealSubchannel,
  authority: string,
  limitMs: number,
  ended: (answer: HealthAnswer, reason: string) => void,
): () => void {
  let said: ServingStatus = 'unknown';
  let isOver = false;
  const headers = headersOnly({ 'grpc-timeout': `${Math.ceil(limitMs)}m` });
  const call: SubchannelCall = subchannel.createCall(headers, authority, HEALTH_CHECK_PATH, {
    onReceiveMetadata: () => undefined,
    onReceiveMessage: (message) => {
      said = readServingStatus(message);
      // grpc-js stops reading after each message, and would not see the end.
      call.startRead();
    },
    onReceiveStatus: (status) => {
      if (isOver) return;
      isOver = true;
      ended(...judge(status, said));
    },
  });
  call.startRead();
  call.sendMessageWithContext({}, HEALTH_CHECK_REQUEST);
  call.halfClose();
  return () => {
    if (isOver) return;
    isOver = true;
    call.cancelWithStatus(CANCELLED, 'the health check was given up');
  };
}

function judge({ code, details }: StatusObject, said: ServingStatus): [answer: HealthAnswer, reason: string] {
  if (code === OK && said === 'serving') return ['serving', 'SERVING'];
  if (code === OK && said === 'notServing') return ['bad', 'NOT_SERVING'];
  // The server cut the check off: grpc-js words it so for RST_STREAM with CANCEL.
  if (code === CANCELLED) return ['bad', details];
  const ill = ILL.get(code);
  return ill === undefined ? ['none', ''] : ['bad', `${ill}: ${details}`];
}

/*
 * The two messages of grpc.health.v1 (https://github.com/grpc/grpc/blob/master/doc/health-checking.md), encoded by
 * hand: they are too small to earn a dependency.
 */

const HEALTH_CHECK_PATH = '/grpc.health.v1.Health/Check';

/**
 * An uncompressed gRPC message of no bytes: HealthCheckRequest with the service name "", which means the whole server.
 */
const HEALTH_CHECK_REQUEST: Buffer = Buffer.alloc(5);

/** What a server says of itself. `unknown`: nothing, or nothing that can be read. */
export type ServingStatus = 'serving' | 'notServing' | 'unknown';

const PREFIX_BYTES = 5;
const STATUS_FIELD = 1;
const SERVING = 1;
const NOT_SERVING = 2;

/** Reads a HealthCheckResponse with its gRPC prefix of five bytes. Never throws. */
export function readServingStatus(message: Buffer): ServingStatus {
  if (message.length < PREFIX_BYTES || message[0] !== 0) return 'unknown';
  let status: ServingStatus = 'unknown';
  const isRead = readNumbers(message, PREFIX_BYTES, (field, value, isDouble) => {
    if (field !== STATUS_FIELD || isDouble) return;
    status = value === SERVING ? 'serving' : value === NOT_SERVING ? 'notServing' : 'unknown';
  });
  return isRead ? status : 'unknown';
}
