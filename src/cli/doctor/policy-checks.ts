import { isRecord } from '../../base/is-record';
import { parseKvAnswer } from '../../client/state/policy-sources/consul';
import { compilePolicy, emptyPlan } from '../../policy/compile';
import type { Plan } from '../../policy/plan';
import { PolicyError } from '../../policy/policy-error';
import type { PolicyReading } from '../../policy/policy-reading';
import { CommandError } from '../command-error';
import type { ConsulConnection } from '../consul/consul-connection';
import { chainInForce } from '../consul/registry-view';
import { describeInFile, readBytes } from '../input/policy-file';
import { type Finding, inDatacenter, type Question, TIME_LIMIT_MS } from './finding';

const POLICIES = 'graylane/policies/';
/** Keys elsewhere whose values are read. */
const MOST_STRAYS = 5;

type Present = PolicyReading & { readonly kind: 'present' };

interface LookedAt {
  readonly findings: readonly Finding[];
  /** What clients go by, as far as that can be told. */
  readonly plan?: Plan;
}

/** Services that have a policy; a finding when these cannot be listed. */
export async function servicesWithPolicy(
  client: ConsulConnection['client'],
  dc: string | undefined,
): Promise<readonly string[] | Finding> {
  const answer = await client.get({
    path: '/kv/{prefix}',
    params: { prefix: POLICIES },
    query: { keys: 'true', ...inDatacenter(dc) },
    timeLimitMs: TIME_LIMIT_MS,
  });
  if (answer.kind === 'answer') {
    if (answer.status === 404) return [];
    const keys = JSON.parse(answer.body.toString('utf8')) as readonly string[];
    return keys.map((key) => key.slice(POLICIES.length)).filter((name) => name !== '' && !name.includes('/'));
  }
  // Without a match, Consul says 404 both with and without the right to list.
  if (answer.status === 404) return [];
  const finding = `policies cannot be listed: ${answer.reason}`;
  return { check: 'policies', state: 'warning', finding, next: 'name the services: graylane doctor payments' };
}

/** The policy that clients read, or would read, and what is wrong with it. */
export async function lookAtPolicy(question: Question): Promise<LookedAt> {
  const { policyFile } = question;
  return policyFile === undefined ? lookAtKey(question) : lookAtFile(question, policyFile);
}

async function lookAtFile({ service }: Question, file: string): Promise<LookedAt> {
  const check = `policy of ${service}`;
  try {
    const content = await readBytes(file);
    const format = file.toLowerCase().endsWith('.json') ? 'json' : 'yaml';
    return judge({ kind: 'present', content, format, place: file }, service, check);
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    const next = 'mount the file, or correct its name: a process waits for it, and has no policy';
    return { findings: [{ check, state: 'problem', finding: error.message, next }] };
  }
}

async function lookAtKey(question: Question): Promise<LookedAt> {
  const { service, dc, connection } = question;
  const { client } = connection;
  const check = `policy of ${service}`;
  const problem = (finding: string, next: string): LookedAt => ({
    findings: [{ check, state: 'problem', finding, next }],
  });
  const key = `${POLICIES}${service}`;
  const answer = await client.get({
    path: '/kv/{key}',
    params: { key },
    query: inDatacenter(dc),
    timeLimitMs: TIME_LIMIT_MS,
  });
  if (answer.kind === 'failure') {
    if (answer.status !== 403) return problem(answer.reason, 'try again, and look at the log of the agent');
    return problem(
      `the token may not read it: key_prefix "${POLICIES}" lacks read (${answer.reason})`,
      `give its ACL policy key_prefix "${POLICIES}" { policy = "read" }`,
    );
  }
  const reading = parseKvAnswer(answer, key);
  if (reading.kind === 'present') return judge(reading, service, check);
  if (reading.kind === 'error')
    return problem(`it cannot be read: ${reading.reason}`, 'correct it and run graylane policy apply FILE');
  const stray = await findStray(question);
  if (stray !== undefined) {
    const next = `run consul kv get ${stray} > ${service}.json, graylane policy apply ${service}.json, and delete that key`;
    return problem(`there is none at ${key}, where clients look; one stands at ${stray}`, next);
  }
  const plan = await chainInForce(client, { service, datacenter: dc });
  const what =
    plan === undefined
      ? 'there is none; calls are spread over all instances'
      : `there is none in KV; Consul's config entries decide, revision ${plan.revision}`;
  const elsewhere = plan === undefined ? await datacentersWithPolicy(question, key) : [];
  if (elsewhere.length === 0) {
    return { findings: [{ check, state: 'info', finding: what }], plan: plan ?? emptyPlan(service) };
  }
  const finding = `${what}; ${elsewhere.join(', ')} has one, and Consul copies no keys between datacenters`;
  const next = `run graylane policy apply FILE --dc all, or set policyDatacenter`;
  return { findings: [{ check, state: 'warning', finding, next }], plan: emptyPlan(service) };
}

async function datacentersWithPolicy({ dc, connection }: Question, key: string): Promise<readonly string[]> {
  const { client, everywhere } = connection;
  const names = await everywhere().catch(() => []);
  const having = names.map(async (name) => {
    const query = { keys: 'true', dc: name };
    const answer = await client.get({ path: '/kv/{key}', params: { key }, query, timeLimitMs: TIME_LIMIT_MS });
    const keys = answer.kind === 'failure' || answer.status === 404 ? [] : JSON.parse(answer.body.toString('utf8'));
    return name !== dc && Array.isArray(keys) && keys.includes(key) ? [name] : [];
  });
  return (await Promise.all(having)).flat();
}

function judge(reading: Present, service: string, check: string): LookedAt {
  try {
    const plan = compilePolicy(reading, { service, origin: 'kv' });
    return { findings: [soundFinding(plan, check), ...overrideFindings(plan)], plan };
  } catch (error) {
    if (!(error instanceof PolicyError)) throw error;
    const [first] = error.problems;
    const place = reading.place ?? `Consul KV ${POLICIES}${service}`;
    const refusal = first === undefined ? error.message : describeInFile(place, first);
    const isNewer = error.problems.some(({ path }) => path === 'minSdk' || path === 'schema');
    const next = isNewer
      ? 'upgrade graylane here and in every client, or write what this version knows'
      : 'correct it and run graylane policy apply FILE';
    return { findings: [{ check, state: 'problem', finding: `clients refuse it: ${refusal}`, next }] };
  }
}

function soundFinding(plan: Plan, check: string): Finding {
  const [warning] = plan.warnings;
  const named = plan.origin === 'none' ? 'a tombstone: the service has no policy' : `revision ${plan.revision}`;
  if (warning === undefined) return { check, state: 'ok', finding: named };
  const next = 'run graylane policy validate FILE';
  return { check, state: 'warning', finding: `${named}; ${warning.message}`, next };
}

function overrideFindings({ service, override, document }: Plan): readonly Finding[] {
  if (override === undefined || document?.override === undefined) return [];
  const { to, datacenter, until, by, reason } = document.override;
  const where = [to === undefined ? '' : ` to ${to}`, datacenter === undefined ? '' : ` in ${datacenter}`].join('');
  const why = [by, reason].filter((each) => each !== undefined).join(': ');
  const check = `override of ${service}`;
  const next = `run graylane override clear ${service} when the incident is over`;
  return [
    Date.now() < override.untilMs
      ? { check, state: 'warning', finding: `all calls go${where} until ${until}, and no route decides (${why})`, next }
      : { check, state: 'info', finding: `it ended at ${until} and does nothing any more (${why})`, next },
  ];
}

/** A policy of the service under a key that no client looks at: another prefix, another case, an ending. */
async function findStray({ service, dc, connection }: Question): Promise<string | undefined> {
  const { client } = connection;
  const answer = await client.get({
    path: '/kv/',
    query: { keys: 'true', ...inDatacenter(dc) },
    timeLimitMs: TIME_LIMIT_MS,
  });
  if (answer.kind === 'failure' || answer.status === 404) return undefined;
  const keys = JSON.parse(answer.body.toString('utf8')) as readonly string[];
  const own = `${POLICIES}${service}`;
  const likely = keys.filter((key) => {
    const name = key.split('/').findLast((part) => part !== '') ?? '';
    return key !== own && name.replace(/\.(json|ya?ml)$/i, '').toLowerCase() === service.toLowerCase();
  });
  for (const key of likely.slice(0, MOST_STRAYS)) {
    const found = await client.get({
      path: '/kv/{key}',
      params: { key },
      query: inDatacenter(dc),
      timeLimitMs: TIME_LIMIT_MS,
    });
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
