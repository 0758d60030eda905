import type { ClientReadableStream, ClientWritableStream } from '@grpc/grpc-js';
import { seededRandom, systemRandom } from '../../base/random';
import type { CallReport } from '../../client/grpc/call-scope';
import { findMethod, type Method } from '../call/methods';
import { requestsFrom } from '../call/request-json';
import { openServiceClient, type ServiceClient } from '../call/service-client';
import { CommandError } from '../command-error';
import { readBytes } from '../input/policy-file';
import type { CommandIo } from '../io';
import type { LoadFlags } from './load';
import { showLoad } from './show-load';
import { Tally } from './tally';

/** How often it is looked whether calls are due. */
const TICK_MS = 5;
const REDRAW_MS = 500;
/** Requests of a stream between two looks at what else there is to do. */
const AT_A_TIME = 16;

/** `load`. */
export async function loadMethod(service: string, path: string, flags: LoadFlags, io: CommandIo): Promise<void> {
  const json = flags.data === '-' ? Buffer.from(await readBytes('-')).toString('utf8') : (flags.data ?? '{}');
  const opened = await openServiceClient(service, flags, io);
  try {
    const random = flags.seed === undefined ? systemRandom : seededRandom(flags.seed);
    const labels = (): Record<string, string> => {
      const picked = flags.label.map(({ key, pick }) => [key, pick(random)] as const);
      return Object.fromEntries(picked.filter((pair): pair is [string, string] => pair[1] !== undefined));
    };
    const method = await findMethod(path, opened.client, opened.graylane.metadata(labels()), flags);
    const requests = requestsFrom(json, method.definition.requestType, method.types);
    const { messages } = flags;
    if (!method.definition.requestStream && (requests.length !== 1 || messages !== 1)) {
      const given = requests.length === 1 ? `--messages: ${messages}` : `--data: ${requests.length} requests`;
      throw new CommandError(2, `${given} (expected: one, ${path} takes no stream)`);
    }
    opened.graylane.describeMethods(method.service);
    const each = method.definition.requestStream ? `, ${requests.length * messages} messages each` : '';
    io.note(
      `real calls to ${service}: ${flags.rate} a second for ${flags.duration / 1000} s, at most ${flags.concurrency} at once${each}`,
    );
    await run({ method, requests, messages, labels }, opened, flags, io);
  } finally {
    await opened.close();
  }
}

interface Work {
  readonly method: Method;
  readonly requests: readonly object[];
  /** How many times a stream sends them. */
  readonly messages: number;
  /** Of the next call. */
  readonly labels: () => Record<string, string>;
}

async function run(work: Work, opened: ServiceClient, flags: LoadFlags, io: CommandIo): Promise<void> {
  const { rate, duration, concurrency } = flags;
  const { interrupted } = io;
  const tally = new Tally();
  const started = performance.now();
  const isLive = io.isTerminal && flags.json !== true;
  let due = 0;
  let leftOut = 0;
  let inFlight = 0;
  let drawn = started;
  const elapsed = (): number => performance.now() - started;
  const total = Math.max(1, Math.round((rate * duration) / 1000));
  while (due < total && !interrupted.aborted) {
    // By the clock, not by the ticks: a tick that comes late makes up for what it missed.
    const wanted = Math.min(total, Math.floor((elapsed() * rate) / 1000) + 1);
    for (; due < wanted; due += 1) {
      if (inFlight >= concurrency) {
        leftOut += 1;
        continue;
      }
      inFlight += 1;
      makeCall(work, opened, flags.timeout, (report) => {
        inFlight -= 1;
        tally.add(report, opened.versionOf);
      });
    }
    if (isLive && performance.now() - drawn >= REDRAW_MS) {
      drawn = performance.now();
      await showLoad(tally, { elapsedMs: elapsed(), leftOut, inFlight, isLive }, io);
    }
    await new Promise((resolve) => setTimeout(resolve, TICK_MS));
  }
  // Each has a deadline of its own.
  while (inFlight > 0) await new Promise((resolve) => setTimeout(resolve, TICK_MS));
  const elapsedMs = elapsed();
  const { calls, failed } = tally.totals;
  if (calls === 0 || (failed / calls) * 100 > flags.maxFailures) io.exitCode = 1;
  if (flags.json === true) io.json({ ...tally.totals, leftOut, elapsedMs: Math.round(elapsedMs), rows: tally.rows });
  else await showLoad(tally, { elapsedMs, leftOut, inFlight, isLive }, io);
}

function makeCall(
  work: Work,
  { graylane, client }: ServiceClient,
  timeoutS: number,
  onEnd: (report: CallReport) => void,
): void {
  const { method, requests } = work;
  const { path } = method;
  const { requestSerialize, responseDeserialize, requestStream, responseStream } = method.definition;
  const metadata = graylane.metadata(work.labels());
  const options = { deadline: Date.now() + timeoutS * 1000 };
  const [request = {}] = requests;
  // The report tells what came of it: nothing else of the answer is wanted.
  const ignore = (): void => {};
  let isOver = false;
  const observe = (report: CallReport): void => {
    isOver = true;
    onEnd(report);
  };
  graylane.with({ observe }, () => {
    if (!requestStream && !responseStream) {
      client.makeUnaryRequest(path, requestSerialize, responseDeserialize, request, metadata, options, ignore);
    } else if (!requestStream) {
      drop(client.makeServerStreamRequest(path, requestSerialize, responseDeserialize, request, metadata, options));
    } else if (!responseStream) {
      send(
        client.makeClientStreamRequest(path, requestSerialize, responseDeserialize, metadata, options, ignore),
        work,
        () => isOver,
      );
    } else {
      const stream = client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize, metadata, options);
      drop(stream);
      send(stream, work, () => isOver);
    }
  });
}

/** Takes the answers and leaves them. */
function drop(stream: ClientReadableStream<object>): void {
  stream.on('error', () => {});
  stream.resume();
}

/**
 * Sends the requests as often as they are to be sent, no faster than the stream takes them, and a few at a time: grpc-js takes many at
 * once into its buffer, and the deadlines and answers of all calls would wait for that.
 */
function send(stream: ClientWritableStream<object>, { requests, messages }: Work, isOver: () => boolean): void {
  const total = requests.length * messages;
  let sent = 0;
  const next = (): void => {
    if (isOver()) return;
    let hasRoom = true;
    for (let count = 0; count < AT_A_TIME && sent < total && hasRoom; count += 1) {
      hasRoom = stream.write(requests[sent % requests.length] ?? {});
      sent += 1;
    }
    if (sent >= total) stream.end();
    else if (hasRoom) setImmediate(next);
    else stream.once('drain', () => setImmediate(next));
  };
  stream.on('error', () => {});
  next();
}
