import { type Client, type Metadata, type StatusObject, status } from '@grpc/grpc-js';
import type { CallReport } from '../../client/grpc/call-scope';
import { CommandError } from '../command';
import type { CommandIo } from '../io';
import { findMethod, listMethods, type Method, openCall, readData, requestsFrom } from './methods';
import { type MethodFlags, openServiceClient, orInterrupted, type ServiceClient } from './service-client';

/** `call`. */
export async function callMethod(
  service: string,
  path: string | undefined,
  flags: CallFlags,
  io: CommandIo,
): Promise<void> {
  const json = await readData(flags);
  const opened = await openServiceClient(service, flags, io);
  try {
    const metadata = opened.graylane.metadata(flags.label);
    if (path === undefined) {
      await orInterrupted(showMethods(opened.client, metadata, flags, io), io);
      return;
    }
    const method = await orInterrupted(findMethod(path, opened.client, metadata, flags), io);
    const requests = requestsFrom(json, method.definition.requestType, method.types);
    if (!method.definition.requestStream && requests.length !== 1) {
      throw new CommandError(2, `--data: ${requests.length} requests (expected: one, ${path} takes no stream)`);
    }
    await callOnce(method, requests, metadata, opened, flags, io);
  } finally {
    await opened.close();
  }
}

async function showMethods(client: Client, metadata: Metadata, flags: CallFlags, io: CommandIo): Promise<void> {
  const methods = await listMethods(client, metadata, flags);
  io.json(methods);
  await io.table(methods, {
    method: ({ path }) => path.slice(1),
    request: ({ requestStream }) => (requestStream ? 'stream' : 'one'),
    answer: ({ responseStream }) => (responseStream ? 'stream' : 'one'),
  });
}

async function callOnce(
  method: Method,
  requests: readonly object[],
  metadata: Metadata,
  { graylane, client, versionOf }: ServiceClient,
  flags: CallFlags,
  io: CommandIo,
): Promise<void> {
  // The definition says whether the call may be retried.
  graylane.describeMethods(method.service);
  let report: CallReport | undefined;
  const observe = (ended: CallReport): void => {
    report = ended;
  };
  const deadline = Date.now() + flags.timeout * 1000;
  const call = graylane.with({ observe }, () => openCall(method, client, metadata, deadline));
  io.interrupted.addEventListener('abort', () => call.cancel());
  const answers: object[] = [];
  call.on('data', (answer: object) => {
    answers.push(answer);
    io.write(`${JSON.stringify(answer, null, 2)}\n`);
  });
  for (const each of requests) call.write(each);
  call.end();
  const told = await new Promise<StatusObject>((resolve) => call.once('status', resolve));
  const isUnanswered = told.code === status.OK && !method.definition.responseStream && answers.length === 0;
  // As grpc-js tells callers of such a method.
  const ended = isUnanswered ? { code: status.UNIMPLEMENTED, details: 'No message received' } : told;
  const name = status[ended.code] ?? String(ended.code);
  const attempts = (report?.attempts ?? []).map((attempt) => {
    return { ...attempt, version: versionOf(attempt.instance, attempt.datacenter) };
  });
  if (ended.code !== status.OK) io.exitCode = 1;
  const { decision, durationMs } = report ?? {};
  io.json({ method: method.path, code: name, details: ended.details, durationMs, decision, attempts, answers });
  if (io.asJson) return;
  const color = ended.code === status.OK ? io.colors.green : io.colors.red;
  const details = ended.details === '' || ended.code === status.OK ? '' : `: ${ended.details}`;
  io.note(`${color(name)} in ${(durationMs ?? 0).toFixed(1)} ms${details}`);
  if (decision !== undefined) {
    io.note(`${decision.subset} by ${decision.by} ${decision.route}, revision ${decision.revision}`);
  }
  for (const { endpoint, instance, datacenter, subset, version, code, durationMs: took } of attempts) {
    const ended = attempts.length > 1 ? `${status[code]} in ${took.toFixed(1)} ms ` : '';
    const of = version === '' ? '' : `, version ${version}`;
    io.note(`${ended}from ${instance} (${endpoint}) in ${datacenter} of ${subset}${of}`);
  }
}

interface CallFlags extends MethodFlags {
  readonly label: Readonly<Record<string, string>>;
}
