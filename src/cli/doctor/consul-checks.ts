import { systemClock } from '../../base/clock';
import type { AgentAddress } from '../../consul/address';
import { answerJson } from '../../consul/answer-json';
import { type ConsulClient, createConsulClient } from '../../consul/client';
import type { ConsulAnswer } from '../../consul/request';
import { transact } from '../../ops/store/kv';
import { orNone } from '../command';
import type { ConsulConnection } from '../consul/consul-connection';
import { consulNextStep } from '../consul/next-step';
import { didYouMean } from '../describe';
import { ask, bodyOf, type Finding, info, ok, problem, type Question, TIME_LIMIT_MS, warning } from './finding';

/** The header has whole seconds; overrides end by the clock. */
const SKEW_WARNING_MS = 2_000;
const SKEW_PROBLEM_MS = 30_000;
const ANONYMOUS = '00000000-0000-0000-0000-000000000002';
const EXPIRES_SOON_MS = 86_400_000;

/**
 * Checks that Consul answers and knows the token, and its clock. With several addresses each agent is asked. `isUsable`
 * false: there is no use in asking Consul for anything else.
 */
export async function checkConsul({
  client,
}: ConsulConnection): Promise<{ readonly findings: readonly Finding[]; readonly isUsable: boolean }> {
  const agents = await Promise.all(client.options.addresses.map((address) => askAgent(client.options, address)));
  const well = agents.find(({ finding }) => finding.state === 'ok');
  const findings = agents.map(({ finding }): Finding => {
    if (finding.state === 'ok' || well === undefined) return finding;
    // Clients use the other agents.
    return { ...finding, check: 'consul agent', state: 'warning' };
  });
  const clock = (well ?? agents.find(({ clock: told }) => told !== undefined))?.clock;
  const token = well === undefined ? undefined : await checkToken(client);
  return {
    findings: [...findings, ...[clock, token].filter((one) => one !== undefined)],
    isUsable: well !== undefined && token?.state !== 'problem',
  };
}

/** `clock` is undefined when the agent did not answer. */
async function askAgent(
  options: ConsulClient['options'],
  address: AgentAddress,
): Promise<{ readonly finding: Finding; readonly clock: Finding | undefined }> {
  const client = createConsulClient({ ...options, addresses: [address] }, { clock: systemClock });
  const { text } = address;
  try {
    const askedAtMs = Date.now();
    const leader = await ask(client, undefined, '/status/leader');
    const answeredAtMs = Date.now();
    if (leader.kind === 'failure') {
      const next = consulNextStep(leader.reason);
      return { finding: problem('consul', `${text}: ${leader.reason}`, next), clock: undefined };
    }
    const clock = clockFinding(leader.dateMs, askedAtMs, answeredAtMs);
    const reason = reasonOf(leader);
    if (reason !== undefined)
      return { finding: problem('consul', `${text}: ${reason}`, consulNextStep(reason)), clock };
    return { finding: ok('consul', `${text} answers${await versionOf(client)}`), clock };
  } finally {
    client.close();
  }
}

/** Undefined where it names a leader. */
function reasonOf(answer: ConsulAnswer): string | undefined {
  if (answer.kind === 'answer' && /^(?:"")?$/.test(answer.body.toString('utf8').trim())) return 'no leader';
  const read = answerJson(answer);
  if ('reason' in read) return read.reason;
  return typeof read.value === 'string' ? undefined : 'the answer is not a leader';
}

async function versionOf(client: ConsulClient): Promise<string> {
  // Needs agent:read, which a reader of services and policies can do without.
  const self = bodyOf(await ask(client, undefined, '/agent/self'));
  if (self === undefined) return '';
  const { Version = 'unknown', Datacenter = 'unknown' } = (self['Config'] ?? {}) as Readonly<Record<string, string>>;
  return `, version ${Version}, datacenter ${Datacenter}`;
}

/** Undefined without a finding: ACLs are off, or the token is valid. */
async function checkToken(client: ConsulConnection['client']): Promise<Finding | undefined> {
  const check = 'token';
  const isGiven = client.options.token !== undefined;
  const answer = await ask(client, undefined, '/acl/token/self');
  if (answer.kind === 'failure') {
    if (answer.status !== 403) return undefined;
    const next = 'give one that exists: --token-file, CONSUL_HTTP_TOKEN_FILE or CONSUL_HTTP_TOKEN';
    return isGiven
      ? problem(check, `Consul does not know it: deleted, expired, or of another cluster (${answer.reason})`, next)
      : withoutToken;
  }
  const self = bodyOf(answer);
  if (self === undefined) return undefined;
  if (!isGiven || self['AccessorID'] === ANONYMOUS) return withoutToken;
  const endsAtMs = typeof self['ExpirationTime'] === 'string' ? Date.parse(self['ExpirationTime']) : Number.NaN;
  if (!(endsAtMs - Date.now() < EXPIRES_SOON_MS)) return undefined;
  const finding = `it expires at ${new Date(endsAtMs).toISOString()}, and calls then go by what was known`;
  return warning(check, finding, 'give another: from a file it is taken over while the process runs');
}

const withoutToken: Finding = warning(
  'token',
  'none is given, and Consul has ACLs: the rights of its anonymous token hold',
  'give one: --token-file, CONSUL_HTTP_TOKEN_FILE or CONSUL_HTTP_TOKEN',
);

function clockFinding(theirsMs: number | undefined, askedAtMs: number, answeredAtMs: number): Finding {
  if (theirsMs === undefined) return info('clock', 'Consul does not say its time');
  // Their time lies within the second that the header names; ours between asking and answering.
  const ahead = theirsMs - answeredAtMs;
  const behind = askedAtMs - (theirsMs + 1_000);
  const skewMs = Math.max(0, ahead, behind);
  if (skewMs < SKEW_WARNING_MS) return ok('clock', "agrees with Consul's");
  const side = ahead > 0 ? 'behind' : 'ahead of';
  const finding = `this machine's is at least ${Math.round(skewMs / 1000)} s ${side} Consul's; overrides end by it`;
  return (skewMs < SKEW_PROBLEM_MS ? warning : problem)('clock', finding, 'set it, by NTP or the like');
}

/** The datacenters that `--dc` names, without those that Consul does not know, and a finding for each of these. */
export async function knownDatacenters(
  connection: ConsulConnection,
): Promise<{ readonly datacenters: readonly (string | undefined)[]; readonly findings: readonly Finding[] }> {
  const named = await connection.asked();
  if (named.every((dc) => dc === undefined)) return { datacenters: named, findings: [] };
  const known = await orNone(connection.everywhere());
  if (known === undefined) return { datacenters: named, findings: [] };
  const unknown = named.filter((dc) => dc !== undefined && !known.includes(dc));
  const findings = unknown.map((dc = ''): Finding => {
    const hint = didYouMean(dc, known);
    const finding = `Consul knows no such datacenter (it knows ${known.join(', ')}${hint === '' ? '' : `; ${hint}`})`;
    return problem(`datacenter ${dc}`, finding, 'correct --dc, and datacenters of createGraylane()');
  });
  return { datacenters: named.filter((dc) => dc === undefined || known.includes(dc)), findings };
}

/** No key has this index, so a transaction that requires it writes nothing. */
const NO_INDEX = '18446744073709551615';

/** Checks the rights to write. Asks for changes that cannot succeed, so nothing is written. */
export async function checkRights({ service, dc, connection, flags: { role } }: Question): Promise<readonly Finding[]> {
  if (role === 'reader') return [];
  const { client } = connection;
  const findings: Finding[] = [];
  const keys = [`graylane/policies/${service}`, `graylane/history/${service}/`];
  if (role === 'controller') keys.push(`graylane/rollouts/${service}`);
  for (const key of keys) {
    const outcome = await transact(client, dc, [{ verb: 'cas', key, index: NO_INDEX, value: '' }]);
    if (outcome.kind === 'conflict' || outcome.kind === 'done') continue;
    const finding = `the token lacks key:write on ${key} (${outcome.reason})`;
    const next = `give its ACL policy key_prefix "${key}" { policy = "write" }`;
    findings.push(problem(`rights of a ${role}`, finding, next));
  }
  return findings;
}

/** A controller holds locks in the name of a Consul session. */
export async function checkSession({ client }: Question['connection']): Promise<readonly Finding[]> {
  const body = JSON.stringify({ Name: 'graylane doctor', TTL: '10s' });
  const made = await client.put({ path: '/session/create', body, timeLimitMs: TIME_LIMIT_MS });
  if (made.kind === 'failure') {
    const finding = `the token lacks session:write (${made.reason})`;
    const next = 'give its ACL policy session_prefix "" { policy = "write" }';
    return [problem('rights of a controller', finding, next)];
  }
  const { ID: id } = JSON.parse(made.body.toString('utf8')) as { readonly ID: string };
  await client.put({ path: '/session/destroy/{id}', params: { id }, body: '', timeLimitMs: TIME_LIMIT_MS });
  return [];
}
