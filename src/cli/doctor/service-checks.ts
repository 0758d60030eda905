import { parseHealth } from '../../discovery/consul/parse-answer';
import { judgeEffect } from '../../effect/effect';
import { compilePolicy, emptyPlan } from '../../policy/compile';
import type { Plan } from '../../policy/plan';
import { PolicyError } from '../../policy/policy-error';
import { parseKvAnswer } from '../../policy/sources/kv-answer';
import { CommandError } from '../command-error';
import type { ConsulConnection } from '../consul/consul-connection';
import { chainInForce, readRegistryView } from '../consul/registry-view';
import type { Finding } from './finding';

const TIME_LIMIT_MS = 5_000;
const POLICIES = 'graylane/policies/';

interface Question {
  readonly service: string;
  readonly dc: string | undefined;
  readonly client: ConsulConnection['client'];
  readonly connection: ConsulConnection;
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

/** The policy, the instances, and what the one does with the others. */
export async function checkService(question: Question): Promise<readonly Finding[]> {
  const { finding, plan } = await lookAtPolicy(question);
  const findings = [finding, await instancesFinding(question)];
  return plan === undefined ? findings : [...findings, ...(await effectFindings(question, plan))];
}

interface LookedAt {
  readonly finding: Finding;
  /** What clients go by, as far as that can be told. */
  readonly plan?: Plan;
}

/** What the policy does to calls now, by the same judgement as `policy apply`. */
async function effectFindings({ service, dc, connection }: Question, plan: Plan): Promise<readonly Finding[]> {
  const check = `calls of ${service}`;
  try {
    const view = await readRegistryView(connection, { service, datacenter: dc }, [plan]);
    const { findings } = judgeEffect({ before: plan, after: plan, view, wallNowMs: Date.now() });
    if (findings.length === 0) return [];
    const next = `run graylane instances ${service}, and correct the policy or the registration`;
    return findings.map(({ kind, text }) => ({
      check,
      state: kind === 'same' || kind === 'empty' ? 'warning' : 'problem',
      finding: text,
      next,
    }));
  } catch (error) {
    // That the instances cannot be read is told where they are looked at.
    if (error instanceof CommandError) return [];
    throw error;
  }
}

async function lookAtPolicy(question: Question): Promise<LookedAt> {
  const { service, dc, client } = question;
  const check = `policy of ${service}`;
  const key = `${POLICIES}${service}`;
  const answer = await client.get({
    path: '/kv/{key}',
    params: { key },
    query: inDatacenter(dc),
    timeLimitMs: TIME_LIMIT_MS,
  });
  if (answer.kind === 'failure') {
    if (answer.status === 403) {
      const finding = `the token may not read it: key_prefix "${POLICIES}" lacks read (${answer.reason})`;
      return {
        finding: {
          check,
          state: 'problem',
          finding,
          next: `give its ACL policy key_prefix "${POLICIES}" { policy = "read" }`,
        },
      };
    }
    const next = 'try again, and look at the log of the agent';
    return { finding: { check, state: 'problem', finding: answer.reason, next } };
  }
  const reading = parseKvAnswer(answer, key);
  if (reading.kind === 'absent') {
    const plan = await chainInForce(client, { service, datacenter: dc });
    const what =
      plan === undefined
        ? 'there is none; calls are spread over all instances'
        : `there is none in KV; Consul's config entries decide, revision ${plan.revision}`;
    return { finding: { check, state: 'info', finding: what }, plan: plan ?? emptyPlan(service) };
  }
  const next = `correct it and run graylane policy apply FILE`;
  if (reading.kind === 'error') {
    return { finding: { check, state: 'problem', finding: reason(reading.reason), next } };
  }
  try {
    const plan = compilePolicy(reading, { service, origin: 'kv' });
    const [warning] = plan.warnings;
    const named = plan.origin === 'none' ? 'a tombstone: the service has no policy' : `revision ${plan.revision}`;
    if (warning === undefined) return { finding: { check, state: 'ok', finding: named }, plan };
    const told = `${named}; ${warning.message}`;
    return { finding: { check, state: 'warning', finding: told, next: 'run graylane policy validate FILE' }, plan };
  } catch (error) {
    const [problem] = error instanceof PolicyError ? error.problems : [];
    const refusal = `clients refuse it: ${problem?.message ?? String(error)}`;
    return { finding: { check, state: 'problem', finding: refusal, next } };
  }
}

function reason(text: string): string {
  return `it cannot be read: ${text}`;
}

async function instancesFinding(question: Question): Promise<Finding> {
  const { service, dc, client } = question;
  const check = `instances of ${service}`;
  const answer = await client.get({
    path: '/health/service/{service}',
    params: { service },
    query: inDatacenter(dc),
    timeLimitMs: TIME_LIMIT_MS,
  });
  if (answer.kind === 'failure') {
    const next = answer.status === 403 ? 'give a token that exists' : 'look at the log of the agent';
    return { check, state: 'problem', finding: answer.reason, next };
  }
  const parsed = parseHealth(answer.body.toString('utf8'), dc ?? 'local', []);
  if (parsed.kind !== 'health') return { check, state: 'problem', finding: parsed.reason, next: 'look at the agent' };
  const { instances, rejected, duplicates, doubles } = parsed;
  const usable = instances.filter(({ status, weight }) => status !== 'critical' && weight > 0).length;
  if (instances.length === 0 && rejected === 0) return whyEmpty(question, check, answer.filteredByAcl);
  const malformed = rejected - duplicates;
  const draining = instances.filter(({ status, weight }) => status !== 'critical' && weight === 0).length;
  const failed = instances.filter(({ isNodeFailed }) => isNodeFailed === true).length;
  const [double] = doubles;
  const finding = [
    `${usable} of ${instances.length} usable`,
    ...(draining === 0 ? [] : [`${draining} of weight 0`]),
    ...(failed === 0
      ? []
      : [`${failed} on nodes that Consul cannot reach (serfHealth), called as long as they answer`]),
    ...(malformed === 0 ? [] : [`${malformed} malformed and left out`]),
    ...(double === undefined
      ? []
      : [
          `${duplicates} at an address with a newer registration (${double.endpoint}: ${double.counts}, not ${double.leftOut})`,
        ]),
  ].join(', ');
  if (answer.filteredByAcl) {
    return {
      check,
      state: 'problem',
      finding: `${finding}; there are more, which the token may not see`,
      next: `give its ACL policy service "${service}" { policy = "read" } and node_prefix "" { policy = "read" }`,
    };
  }
  if (usable > 0) {
    if (double === undefined || malformed > 0) {
      return { check, state: rejected === 0 && failed === 0 ? 'ok' : 'warning', finding };
    }
    const next = `take the dead registration out: consul services deregister -id=${double.leftOut}, at its own agent`;
    return { check, state: 'warning', finding, next };
  }
  return {
    check,
    state: 'problem',
    finding,
    next: `run graylane instances ${service}, and look at their health checks`,
  };
}

/**
 * Consul answers an empty list to who may not look. The compiled discovery chain of the same service is refused instead, which
 * tells the two apart; the list of nodes shows whether it is those that may not be read.
 */
async function whyEmpty({ service, dc, client }: Question, check: string, filtered: boolean): Promise<Finding> {
  const serviceRight = `service "${service}" { policy = "read" }`;
  const missing = (right: string, rule: string): Finding => ({
    check,
    state: 'problem',
    finding: `the token lacks ${right}: Consul answers an empty list where it leaves out what may not be seen`,
    next: `give its ACL policy ${rule}`,
  });
  const chain = await client.get({
    path: '/discovery-chain/{service}',
    params: { service },
    query: inDatacenter(dc),
    timeLimitMs: TIME_LIMIT_MS,
  });
  if (chain.kind === 'failure' && chain.status === 403) return missing(`service:read on ${service}`, serviceRight);
  const nodes = await client.get({ path: '/catalog/nodes', query: inDatacenter(dc), timeLimitMs: TIME_LIMIT_MS });
  // Consul itself runs on a node: whoever may see nodes sees one.
  const seesNodes = nodes.kind === 'answer' && nodes.body.toString('utf8').trim() !== '[]';
  if (!seesNodes) return missing('node:read', 'node_prefix "" { policy = "read" }');
  if (filtered) return missing(`service:read on ${service}, or node:read on its nodes`, serviceRight);
  const finding = 'none is registered';
  if (chain.kind === 'failure') {
    return {
      check,
      state: 'warning',
      finding: `${finding}, or the token lacks service:read (it cannot be told: ${chain.reason})`,
      next: `see that ${service} is registered, and that the token has ${serviceRight}`,
    };
  }
  return { check, state: 'warning', finding, next: `check the name, the datacenter (--dc) and the registration` };
}

function inDatacenter(dc: string | undefined): Readonly<Record<string, string>> {
  return dc === undefined ? {} : { dc };
}
