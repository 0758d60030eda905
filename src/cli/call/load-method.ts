import type { ClientWritableStream } from '@grpc/grpc-js';
import { defined } from '../../base/defined';
import { seededRandom, systemRandom } from '../../base/random';
import { sleep } from '../../base/sleep';
import type { CallReport } from '../../client/grpc/call-scope';
import { CommandError } from '../command';
import { type CommandIo, fields } from '../io';
import { REDRAW } from '../live-screen';
import type { LabelMix } from './label-mix';
import { findMethod, type Method, openCall, readData, requestsFrom } from './methods';
import { type MethodFlags, openServiceClient, type ServiceClient } from './service-client';
import { Tally } from './tally';

/** How often the loop looks for calls that are due. */
const TICK_MS = 5;
const REDRAW_MS = 500;
/** Requests that a stream sends before other work gets its turn. */
const AT_A_TIME = 16;

/** `load`. */
export async function loadMethod(service: string, path: string, flags: LoadFlags, io: CommandIo): Promise<void> {
  for (const [name, value, most] of [
    ['rate', flags.rate, 5_000],
    ['concurrency', flags.concurrency, 1_000],
    ['messages', flags.messages, 100_000],
    ['duration', flags.duration / 1000, 3_600],
  ] as const) {
    if (value > most) throw new CommandError(2, `--${name}: ${value} (expected: at most ${most})`);
  }
  const json = await readData(flags);
  const opened = await openServiceClient(service, flags, io);
  try {
    const random = flags.seed === undefined ? systemRandom : seededRandom(flags.seed);
    const labels = (): Record<string, string> =>
      defined(Object.fromEntries(flags.label.map(({ key, pick }) => [key, pick(random)]))) as Record<string, string>;
    const method = await findMethod(path, opened.client, opened.graylane.metadata(labels()), flags);
    const requests = requestsFrom(json, method.definition.requestType, method.types);
    const { messages } = flags;
    if (!method.definition.requestStream && (requests.length !== 1 || messages !== 1)) {
      const given = requests.length === 1 ? `--messages: ${messages}` : `--data: ${requests.length} requests`;
      throw new CommandError(2, `${given} (expected: one, ${path} takes no stream)`);
    }
    opened.graylane.describeMethods(method.service);
    const each = method.definition.requestStream ? `, ${requests.length * messages} messages each` : '';
    const rate = `${flags.rate} a second for ${flags.duration / 1000} s`;
    io.note(`real calls to ${service}: ${rate}, at most ${flags.concurrency} at once${each}`);
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
  const isLive = io.canRedraw && !io.asJson;
  let due = 0;
  let leftOut = 0;
  let inFlight = 0;
  let drawn = started;
  const elapsed = (): number => performance.now() - started;
  const total = Math.max(1, Math.round((rate * duration) / 1000));
  while (due < total && !interrupted.aborted) {
    // Counts by the clock: a late tick starts the calls that it missed.
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
      await showLoad(tally, { elapsedMs: elapsed(), leftOut, inFlight }, io);
    }
    await sleep(TICK_MS);
  }
  // Each has a deadline of its own.
  while (inFlight > 0) await sleep(TICK_MS);
  const elapsedMs = elapsed();
  const { calls, failed } = tally.totals;
  if (calls === 0 || (failed / calls) * 100 > flags.maxFailures) io.exitCode = 1;
  io.json({ ...tally.totals, leftOut, elapsedMs: Math.round(elapsedMs), rows: tally.rows });
  if (!io.asJson) await showLoad(tally, { elapsedMs, leftOut, inFlight }, io);
}

function makeCall(
  work: Work,
  { graylane, client }: ServiceClient,
  timeoutS: number,
  onEnd: (report: CallReport) => void,
): void {
  const metadata = graylane.metadata(work.labels());
  const deadline = Date.now() + timeoutS * 1000;
  let isOver = false;
  const observe = (report: CallReport): void => {
    isOver = true;
    onEnd(report);
  };
  const call = graylane.with({ observe }, () => openCall(work.method, client, metadata, deadline));
  // The report says what came of the call; nothing else of the answers is needed.
  call.resume();
  send(call, work, () => isOver);
}

/**
 * Sends the requests as often as they are to be sent, no faster than the stream takes them, and a few at a time:
 * grpc-js takes many at once into its buffer, and the deadlines and answers of all calls would wait for that.
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
  next();
}

interface LoadFlags extends MethodFlags {
  readonly label: readonly LabelMix[];
  /** Calls a second. */
  readonly rate: number;
  /** Milliseconds. */
  readonly duration: number;
  /** Calls at once. */
  readonly concurrency: number;
  /** Times that a stream of requests sends those of `data`. */
  readonly messages: number;
  /** Percent of the calls. */
  readonly maxFailures: number;
  readonly seed?: number;
}

/** `leftOut`: calls that were due while the most calls at once were under way. */
async function showLoad(
  tally: Tally,
  { elapsedMs, leftOut, inFlight }: Readonly<Record<'elapsedMs' | 'leftOut' | 'inFlight', number>>,
  io: CommandIo,
): Promise<void> {
  const { calls, failed, retried, fellBack, p50Ms, p95Ms, p99Ms } = tally.totals;
  const { colors } = io;
  if (io.canRedraw) io.write(REDRAW);
  const rate = elapsedMs > 0 ? (calls / elapsedMs) * 1000 : 0;
  const parts = [
    `${colors.bold(String(calls))} calls in ${(elapsedMs / 1000).toFixed(1)} s (${rate.toFixed(1)} a second)`,
    failed === 0 ? colors.green('none failed') : colors.red(`${failed} failed`),
    ...(retried > 0 ? [`${retried} made again`] : []),
    ...(fellBack > 0 ? [`${fellBack} served by a fallback`] : []),
    ...(inFlight > 0 ? [`${inFlight} under way`] : []),
  ];
  io.line(parts.join(', '));
  io.line(`p50 ${ms(p50Ms)}, p95 ${ms(p95Ms)}, p99 ${ms(p99Ms)}`);
  await io.table(tally.rows, {
    subset: (row) => row.subset || '(nobody)',
    ...fields('version', 'instance', 'datacenter', 'calls'),
    share: (row) => `${row.share.toFixed(1)} %`,
    p50: (row) => ms(row.p50Ms),
    p95: (row) => ms(row.p95Ms),
    p99: (row) => ms(row.p99Ms),
    codes: codesOf,
  });
  if (leftOut > 0) io.note(`${leftOut} calls were due and left out: --concurrency calls were under way`);
}

function codesOf({ codes }: Tally['rows'][number]): string {
  return Object.entries(codes)
    .sort(([, a], [, b]) => b - a)
    .map(([name, count]) => `${name} ${count}`)
    .join(', ');
}

function ms(value: number): string {
  return `${value.toFixed(value < 10 ? 1 : 0)} ms`;
}
