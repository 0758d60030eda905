import type { CallReport } from '../../channel/call-report';
import { seededRandom, systemRandom } from '../../internal/random';
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
    const method = await findMethod(path, opened.client, opened.lane.metadata(labels()), flags);
    const [request, another] = requestsFrom(json, method.definition.requestType, method.types);
    if (method.definition.requestStream || request === undefined || another !== undefined) {
      throw new CommandError(2, `${path}: one request is sent (expected: a method and --data of one)`);
    }
    opened.lane.describeMethods(method.service);
    io.note(
      `real calls to ${service}: ${flags.rate} a second for ${flags.duration / 1000} s, at most ${flags.concurrency} at once`,
    );
    await run({ method, request, labels }, opened, flags, io);
  } finally {
    await opened.close();
  }
}

interface Work {
  readonly method: Method;
  readonly request: object;
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
  { method, request, labels }: Work,
  { lane, client }: ServiceClient,
  timeoutS: number,
  onEnd: (report: CallReport) => void,
): void {
  const { requestSerialize, responseDeserialize, responseStream } = method.definition;
  const metadata = lane.metadata(labels());
  const options = { deadline: Date.now() + timeoutS * 1000 };
  // The report tells what came of it: nothing else of the answer is wanted.
  lane.with({ observe: onEnd }, () => {
    if (!responseStream) {
      client.makeUnaryRequest(method.path, requestSerialize, responseDeserialize, request, metadata, options, () => {});
      return;
    }
    const stream = client.makeServerStreamRequest(
      method.path,
      requestSerialize,
      responseDeserialize,
      request,
      metadata,
      options,
    );
    stream.on('error', () => {});
    stream.resume();
  });
}
