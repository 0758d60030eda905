import { parseKvAnswer } from '../../client/state/policy-sources/consul';
import type { ConsulClient } from '../../consul/client';
import { PLAIN_TIME_LIMIT_MS } from '../../consul/request';
import { inDatacenter } from '../../ops/store/kv';
import { policyKeyOf } from '../../ops/store/policy-store';
import { compilePolicy, emptyPlan, withOtherPolicies } from '../../policy/compile';
import type { OtherPolicies } from '../../policy/places/other-services';
import type { Plan } from '../../policy/plan';
import { PolicyError } from '../../policy/policy-error';
import { chainInForce } from './chain-now';

/**
 * The plans joined with the policies of the services that they name, as Consul has them now. A policy that cannot be
 * read, or that is not valid, is not known: its subsets have no instance.
 */
export async function joinOtherPolicies(
  client: ConsulClient,
  plans: readonly Plan[],
  datacenter: string | undefined,
): Promise<readonly Plan[]> {
  const services = [...new Set(plans.flatMap((plan) => plan.services ?? []))];
  if (services.length === 0) return plans;
  const found = await Promise.all(
    services.map(async (name) => [name, await policyNow(client, name, datacenter)] as const),
  );
  const policies: OtherPolicies = new Map(found.flatMap(([name, plan]) => (plan === undefined ? [] : [[name, plan]])));
  return plans.map((plan) =>
    withOtherPolicies(plan, policies, plan.caller === undefined ? {} : { caller: plan.caller }),
  );
}

async function policyNow(
  client: ConsulClient,
  service: string,
  datacenter: string | undefined,
): Promise<Plan | undefined> {
  const key = policyKeyOf(service);
  const query = inDatacenter(datacenter);
  const answer = await client.get({ path: '/kv/{key}', params: { key }, query, timeLimitMs: PLAIN_TIME_LIMIT_MS });
  if (answer.kind === 'failure') return undefined;
  const reading = parseKvAnswer(answer, key);
  if (reading.kind === 'error') return undefined;
  if (reading.kind === 'absent') return (await chainInForce(client, { service, datacenter })) ?? emptyPlan(service);
  try {
    return compilePolicy(reading, { service, origin: 'kv' });
  } catch (error) {
    if (error instanceof PolicyError) return undefined;
    throw error;
  }
}
