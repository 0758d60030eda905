import { isRecord } from '../../base/is-record';
import { parseKvAnswer } from '../../client/state/policy-sources/consul';
import { hasEnded } from '../../ops/rollout/record';
import { createRolloutStore } from '../../ops/rollout/store';
import { listKeys } from '../../ops/store/kv';
import { compilePolicy, emptyPlan } from '../../policy/compile';
import { describeFault } from '../../policy/faults';
import { describeWritten } from '../../policy/places/destination';
import type { Plan } from '../../policy/plan';
import { PolicyError } from '../../policy/policy-error';
import type { PolicyReading } from '../../policy/policy-reading';
import { CommandError } from '../command';
import { chainInForce } from '../consul/chain-now';
import type { ConsulConnection } from '../consul/consul-connection';
import { orFailure } from '../consul/store-session';
import { describeInFile, formatOf, readBytes } from '../policy-files';
import { describePlace } from '../rollout/rollout-view';
import { ask, type Finding, info, ok, problem, type Question, warning } from './finding';

const POLICIES = 'graylane/policies/';
/** Keys elsewhere whose values are read. */
const MOST_STRAYS = 5;

type Present = PolicyReading & { readonly kind: 'present' };

interface LookedAt {
  readonly findings: readonly Finding[];
  /** The plan that clients use, where it is known. */
  readonly plan?: Plan;
}

/** Services that have a policy; a finding when these cannot be listed. */
export async function servicesWithPolicy(
  client: ConsulConnection['client'],
  dc: string | undefined,
): Promise<readonly string[] | Finding> {
  const keys = await listKeys(client, POLICIES, dc);
  if (!('reason' in keys)) {
    return keys.map((key) => key.slice(POLICIES.length)).filter((name) => name !== '' && !name.includes('/'));
  }
  const finding = `policies cannot be listed: ${keys.reason}`;
  return warning('policies', finding, 'name the services: graylane doctor payments');
}

/** The policy that clients read, or would read, and what is wrong with it. */
export async function lookAtPolicy(question: Question): Promise<LookedAt> {
  const { policy } = question.flags;
  return policy === undefined ? lookAtKey(question) : lookAtFile(question, policy);
}

async function lookAtFile({ service }: Question, file: string): Promise<LookedAt> {
  const check = `policy of ${service}`;
  try {
    const content = await readBytes(file);
    return judge({ kind: 'present', content, format: formatOf(file), place: file }, service, check);
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    const next = 'mount the file, or correct its name: a process waits for it, and has no policy';
    return { findings: [problem(check, error.message, next)] };
  }
}

async function lookAtKey(question: Question): Promise<LookedAt> {
  const { service, dc, connection } = question;
  const { client } = connection;
  const check = `policy of ${service}`;
  const failed = (finding: string, next: string): LookedAt => ({ findings: [problem(check, finding, next)] });
  const key = `${POLICIES}${service}`;
  const answer = await ask(client, dc, '/kv/{key}', { key });
  if (answer.kind === 'failure') {
    if (answer.status !== 403) return failed(answer.reason, 'try again, and look at the log of the agent');
    return failed(
      `the token may not read it: key_prefix "${POLICIES}" lacks read (${answer.reason})`,
      `give its ACL policy key_prefix "${POLICIES}" { policy = "read" }`,
    );
  }
  const reading = parseKvAnswer(answer, key);
  if (reading.kind === 'present') return judge(reading, service, check);
  if (reading.kind === 'error')
    return failed(`it cannot be read: ${reading.reason}`, 'correct it and run graylane policy apply FILE');
  const stray = await findStray(question);
  if (stray !== undefined) {
    const next = `run consul kv get ${stray} > ${service}.json, graylane policy apply ${service}.json, and delete that key`;
    return failed(`there is none at ${key}, where clients look; one stands at ${stray}`, next);
  }
  const plan = await chainInForce(client, { service, datacenter: dc });
  const what =
    plan === undefined
      ? 'there is none; calls are spread over all instances'
      : `there is none in KV; Consul's config entries decide, revision ${plan.revision}`;
  const elsewhere = plan === undefined ? await datacentersWithPolicy(question, key) : [];
  if (elsewhere.length === 0) {
    return { findings: [info(check, what)], plan: plan ?? emptyPlan(service) };
  }
  const finding = `${what}; ${elsewhere.join(', ')} has one, and Consul copies no keys between datacenters`;
  const next = `run graylane policy apply FILE --dc all, or set policyDatacenter`;
  return { findings: [warning(check, finding, next)], plan: emptyPlan(service) };
}

async function datacentersWithPolicy({ dc, connection }: Question, key: string): Promise<readonly string[]> {
  const { client, everywhere } = connection;
  const names = await everywhere().catch(() => []);
  const having = names.map(async (name) => {
    const keys = name === dc ? [] : await listKeys(client, key, name);
    return !('reason' in keys) && keys.includes(key) ? [name] : [];
  });
  return (await Promise.all(having)).flat();
}

function judge(reading: Present, service: string, check: string): LookedAt {
  try {
    const plan = compilePolicy(reading, { service, origin: 'kv' });
    return { findings: [validFinding(plan, check), ...overrideFindings(plan), ...faultFindings(plan)], plan };
  } catch (error) {
    if (!(error instanceof PolicyError)) throw error;
    const [first] = error.problems;
    const place = reading.place ?? `Consul KV ${POLICIES}${service}`;
    const refusal = first === undefined ? error.message : describeInFile(place, first);
    const isNewer = error.problems.some(({ path }) => path === 'minSdk' || path === 'schema');
    const next = isNewer
      ? 'upgrade graylane here and in every client, or write what this version knows'
      : 'correct it and run graylane policy apply FILE';
    return { findings: [problem(check, `clients refuse it: ${refusal}`, next)] };
  }
}

function validFinding(plan: Plan, check: string): Finding {
  const [first] = plan.warnings;
  const named = plan.origin === 'none' ? 'a tombstone: the service has no policy' : `revision ${plan.revision}`;
  if (first === undefined) return ok(check, named);
  const next = 'run graylane policy validate FILE';
  return warning(check, `${named}; ${first.message}`, next);
}

function overrideFindings({ service, override, document }: Plan): readonly Finding[] {
  if (override === undefined || document?.override === undefined) return [];
  const { to, datacenter, until, by, reason } = document.override;
  const where = [
    to === undefined ? '' : ` to ${describeWritten(to)}`,
    datacenter === undefined ? '' : ` in ${datacenter}`,
  ].join('');
  const why = [by, reason].filter((each) => each !== undefined).join(': ');
  const check = `override of ${service}`;
  const next = `run graylane override clear ${service} when the incident is over`;
  return [
    Date.now() < override.untilMs
      ? warning(check, `all calls go${where} until ${until}, and no route decides (${why})`, next)
      : info(check, `it ended at ${until} and does nothing any more (${why})`, next),
  ];
}

function faultFindings({ service, faults = [] }: Plan): readonly Finding[] {
  return faults.map((fault) => {
    const { name, until, untilMs, by, reason, route } = fault;
    const why = [by, reason].filter((each) => each !== undefined).join(': ');
    const told = why === '' ? '' : ` (${why})`;
    const check = `fault ${name} of ${service}`;
    const next =
      route === undefined ? `run graylane drill stop ${service} ${name}` : `run graylane policy edit ${service}`;
    return Date.now() < untilMs
      ? warning(check, `until ${until} ${describeFault(fault)}${told}`, `${next} when the drill is over`)
      : info(check, `it ended at ${until} and does nothing any more${told}`, next);
  });
}

/** A policy of the service under a key that no client looks at: another prefix, another case, an ending. */
async function findStray({ service, dc, connection }: Question): Promise<string | undefined> {
  const { client } = connection;
  const keys = await listKeys(client, '', dc);
  if ('reason' in keys) return undefined;
  const own = `${POLICIES}${service}`;
  const likely = keys.filter((key) => {
    const name = key.split('/').findLast((part) => part !== '') ?? '';
    return key !== own && name.replace(/\.(json|ya?ml)$/i, '').toLowerCase() === service.toLowerCase();
  });
  for (const key of likely.slice(0, MOST_STRAYS)) {
    const found = await ask(client, dc, '/kv/{key}', { key });
    const reading = found.kind === 'failure' ? undefined : parseKvAnswer(found, key);
    if (reading?.kind === 'present' && isPolicyOf(service, reading)) return key;
  }
  return undefined;
}

function isPolicyOf(service: string, { content }: Present): boolean {
  if (typeof content !== 'string' || !/^\s*\{/.test(content)) return /^service:/m.test(String(content));
  try {
    const value: unknown = JSON.parse(content);
    return isRecord(value) && value['service'] === service && ('schema' in value || 'subsets' in value);
  } catch {
    return false;
  }
}

/** Finds a rollout without a controller, or one that waits for a person. */
export async function checkRollout({ service, connection }: Question): Promise<readonly Finding[]> {
  // A token that may read policies need not have the right to read rollouts.
  const stored = await orFailure(createRolloutStore(connection.client).read(service));
  if ('failure' in stored) return [];
  const { record, holder } = stored;
  if (record === undefined || hasEnded(record.progress)) return [];
  const check = `rollout of ${service}`;
  const place = describePlace(record.progress);
  if (holder === undefined) {
    const next = `start a controller: graylane rollout run, or end it: graylane rollout abort ${service}`;
    return [problem(check, `no controller drives it: ${place}`, next)];
  }
  if (record.progress.state.kind === 'running') return [ok(check, `${place}, driven by ${holder}`)];
  const next = `run graylane rollout status ${service}, then resume, promote or abort`;
  return [info(check, place, next)];
}
