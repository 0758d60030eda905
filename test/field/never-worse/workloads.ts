import * as grpc from '@grpc/grpc-js';
import type { WorkloadName } from './scenes';
import { type MethodName, NEWS, NO_NEWS } from './service';

/** One kind of call of a workload. */
export interface Calls {
  readonly method: MethodName;
  /** Of each client. */
  readonly perSecond: number;
  readonly deadlineMs?: number;
  /** The caller cancels what is not answered by then. */
  readonly cancelMs?: number;
}

const LONG_MS = 1_500;
const QUICK: Calls = { method: 'get', perSecond: 60, deadlineMs: 1_000 };

export const CALLS: Readonly<Record<WorkloadName, readonly Calls[]>> = {
  'quick unary': [{ ...QUICK, perSecond: 80 }],
  'methods of 3 and 600 ms': [QUICK, { method: 'report', perSecond: 20, deadlineMs: LONG_MS }],
  // Half of the polls are answered after 300 ms; the others end at the deadline, as planned.
  'long polls': [QUICK, { method: 'poll', perSecond: 20, deadlineMs: 1_000 }],
  // Streams are open until the scene ends.
  'quiet subscriptions': [QUICK, { method: 'subscribe', perSecond: 4 }],
  // Ten messages take 200 ms.
  'chatty streams': [{ method: 'chat', perSecond: 30, deadlineMs: LONG_MS }],
  // Three messages take 40 ms.
  uploads: [{ method: 'upload', perSecond: 50, deadlineMs: 1_000 }],
  deadlines: [{ method: 'get', perSecond: 80, deadlineMs: 150 }],
  cancels: [{ method: 'get', perSecond: 80, cancelMs: 400 }],
};

/** `planned`: it ended as its caller meant it to, without an answer. */
type Ending = 'answered' | 'lost' | 'planned';

type Starter = Record<MethodName, (...parameters: unknown[]) => grpc.ClientReadableStream<Buffer>>;

export interface OneCall {
  readonly ended: Promise<Ending>;
  /** The caller has enough of it. */
  readonly stop: () => void;
}

const UPLOADED = 3;
const UPLOAD_EVERY_MS = 20;

/** Makes one of these calls; `hasNews` is for polls. */
export function makeCall(client: grpc.Client, calls: Calls, hasNews: boolean, metadata: grpc.Metadata): OneCall {
  const { method, deadlineMs, cancelMs } = calls;
  const start = client as unknown as Starter;
  const options = deadlineMs === undefined ? {} : { deadline: Date.now() + deadlineMs };
  let isStopped = false;
  let call: grpc.ClientReadableStream<Buffer> | undefined;
  const ended = new Promise<Ending>((resolve) => {
    const answered = (error: grpc.ServiceError | null): void => {
      const isPlanned = method === 'poll' && !hasNews && error?.code === grpc.status.DEADLINE_EXCEEDED;
      resolve(error === null ? 'answered' : isPlanned ? 'planned' : 'lost');
    };
    if (method === 'upload') {
      call = start.upload(metadata, options, answered);
      void upload(call as unknown as grpc.ClientWritableStream<Buffer>);
      return;
    }
    if (method !== 'subscribe' && method !== 'chat') {
      call = start[method](method === 'poll' && hasNews ? NEWS : NO_NEWS, metadata, options, answered);
      return;
    }
    call = start[method](NO_NEWS, metadata, options);
    call.on('data', () => undefined);
    call.on('error', () => undefined);
    call.on('status', ({ code }: grpc.StatusObject) => {
      if (code === grpc.status.OK) resolve('answered');
      else resolve(isStopped ? 'planned' : 'lost');
    });
  });
  const stop = (): void => {
    isStopped = true;
    call?.cancel();
  };
  if (cancelMs !== undefined) {
    const timer = setTimeout(stop, cancelMs);
    void ended.then(() => clearTimeout(timer));
  }
  return { ended, stop };
}

async function upload(call: grpc.ClientWritableStream<Buffer>): Promise<void> {
  let isOver = false;
  call.on('error', () => {
    isOver = true;
  });
  for (let left = UPLOADED; left > 0 && !isOver; left -= 1) {
    call.write(NEWS);
    if (left > 1) await new Promise((resolve) => setTimeout(resolve, UPLOAD_EVERY_MS));
  }
  call.end();
}
