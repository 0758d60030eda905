import type { ConsulDeps, HealthTarget } from './health-target';

const TIME_LIMIT_MS = 5_000;

/**
 * Whether the token may not read the service. Health queries do not tell: they answer with an empty list, which servers
 * before 1.12 do not even mark. A service's defaults need the same permission, `service:read`, and their read is refused
 * outright. Anything but Consul's own refusal speaks neither for nor against.
 * https://developer.hashicorp.com/consul/api-docs/config#get-configuration
 */
export async function isForbidden(
  target: HealthTarget,
  dc: string | undefined,
  deps: ConsulDeps,
  signal: AbortSignal,
): Promise<boolean> {
  const answer = await deps.client.get({
    path: '/config/service-defaults/{service}',
    params: { service: target.service },
    query: { ...(dc === undefined ? {} : { dc }), stale: '1' },
    timeLimitMs: TIME_LIMIT_MS,
    signal,
  });
  // A gateway in between may refuse the path for reasons of its own.
  return answer.kind === 'failure' && answer.status === 403 && /permission denied|acl not found/i.test(answer.reason);
}
