import type { Explanation } from '../../client/admin/explain';
import type { ServiceInspection } from '../../client/admin/inspect';
import type { RecentDecision } from '../../client/admin/recent-decisions';
import type { ClientInspection } from '../../client/api';
import { CommandError } from '../command-error';
import { isServable, noteRefusal, showExplanation } from '../explain/explain-call';
import { shownUrl } from '../fetch-json';
import type { CommandIo } from '../io';
import { liveScreen } from '../live-screen';
import { showInspection } from './inspect-tables';
import { askProcess, isIdle } from './running-process';

export interface InspectFlags {
  readonly url: URL;
  readonly service?: string;
  readonly watch?: boolean;
  readonly decisions?: boolean;
  readonly explain?: boolean;
  readonly method?: string;
  readonly label: Readonly<Record<string, string>>;
  readonly json?: boolean;
}

export async function inspectUrl(flags: InspectFlags, io: CommandIo): Promise<void> {
  if (flags.watch !== true) await show(flags, io);
  else await liveScreen((screen) => show(flags, screen), io);
}

async function show(flags: InspectFlags, io: CommandIo): Promise<void> {
  if (flags.explain === true) await explainThere(flags, io);
  else if (flags.decisions === true) await listDecisions(flags, io);
  else await inspectThere(flags, io);
}

async function inspectThere({ url, service, json }: InspectFlags, io: CommandIo): Promise<void> {
  const inspection = await ask<ClientInspection>(url, 'inspect');
  const services = inspection.services.filter((one) => service === undefined || isNamed(one, service));
  if (service !== undefined && services.length === 0) {
    const known = inspection.services.map((one) => one.service).join(', ') || 'none yet';
    throw new CommandError(2, `--service: ${service} (expected: one that the process uses: ${known})`, 'choose one');
  }
  const problems = services.filter((one) => !isIdle(one)).flatMap(problemsOf);
  if (problems.length > 0) io.exitCode = 1;
  if (json === true) io.json({ ...inspection, services, problems });
  else await showInspection({ ...inspection, services }, io);
  for (const problem of problems) io.note(problem);
}

async function listDecisions({ url, service, json }: InspectFlags, io: CommandIo): Promise<void> {
  const all = await ask<readonly RecentDecision[]>(url, 'decisions');
  const decisions = all.filter((one) => service === undefined || one.service === service);
  if (json === true) io.json(decisions);
  else {
    await io.table(
      ['at', 'service', 'method', 'by', 'route', 'subset', 'revision', 'sticky'],
      decisions.map(({ at, service: of, method, by, route, subset, revision, sticky }) => {
        return [at, of, method, by, route, subset, revision, sticky ? 'sticky' : ''];
      }),
    );
  }
  if (decisions.length === 0) io.note('no decisions: it has made no calls since its adminHandler() was made');
}

async function explainThere(
  { url, service = '', method = '', label, json }: InspectFlags,
  io: CommandIo,
): Promise<void> {
  const labels = Object.entries(label).map(([key, value]) => [`label.${key}`, value] as const);
  const explanation = await ask<Explanation>(url, 'explain', { service, method, ...Object.fromEntries(labels) });
  const canServe = isServable(explanation);
  if (!canServe) io.exitCode = 1;
  if (json === true) io.json({ ...explanation, canServe });
  else await showExplanation(explanation, io);
  if (!canServe) noteRefusal(explanation, io);
}

async function ask<T>(
  url: URL,
  name: 'inspect' | 'explain' | 'decisions',
  query: Readonly<Record<string, string>> = {},
): Promise<T> {
  const answer = await askProcess<T>(url, name, query);
  if ('body' in answer) return answer.body;
  const next = 'check --url, and that the process has mounted graylane.adminHandler() there';
  throw new CommandError(2, `${shownUrl(url)}: ${answer.failure}`, next);
}

function isNamed({ service, target }: ServiceInspection, wanted: string): boolean {
  return service === wanted || target === wanted;
}

/** What an operator has to see to, each as a sentence. */
function problemsOf({ service, pending, policy, datacenters }: ServiceInspection): readonly string[] {
  // A process with a version that has no shortfalls tells of none.
  const { rejected, failure, isOrphaned, revision, shortfalls = [] } = policy;
  const meanwhile = revision === undefined ? 'none is in force, and calls wait' : 'the former one stays';
  const [first, ...more] = rejected?.problems ?? [];
  const others = more.length === 0 ? '' : `, and ${more.length} more`;
  return [
    ...(pending === undefined ? [] : [pending]),
    ...(first === undefined ? [] : [`the newest policy was refused: ${first.message}${others}; ${meanwhile}`]),
    ...(failure === undefined ? [] : [`the policy cannot be read: ${failure}`]),
    ...shortfalls.map(({ message }) => message),
    ...(isOrphaned ? ['the policy was deleted in Consul, and goes on here'] : []),
    ...datacenters
      .filter(({ freshness }) => freshness !== 'fresh')
      .map(({ datacenter, freshness, reason }) => `${datacenter} is ${freshness}: ${reason ?? 'no answer yet'}`),
  ].map((problem) => `${service}: ${problem}`);
}
