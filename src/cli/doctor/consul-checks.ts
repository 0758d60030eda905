import type { AgentAddress } from '../../discovery/consul/agent-address';
import { type ConsulClient, createConsulClient } from '../../discovery/consul/client';
import { systemClock } from '../../internal/clock';
import type { ConsulConnection } from '../consul/consul-connection';
import type { Finding } from './finding';

const TIME_LIMIT_MS = 5_000;
/** The header has whole seconds; overrides end by the clock. */
const SKEW_WARNING_MS = 2_000;
const SKEW_PROBLEM_MS = 30_000;

/**
 * Whether Consul answers, and its clock; with several addresses each is asked. Without an answer, nothing else about Consul can
 * be looked at.
 */
export async function checkConsul({ client }: ConsulConnection): Promise<readonly Finding[]> {
  const agents = await Promise.all(client.options.addresses.map((address) => askAgent(client.options, address)));
  const well = agents.find(({ finding }) => finding.state === 'ok');
  const findings = agents.map(({ finding }): Finding => {
    if (finding.state === 'ok' || well === undefined) return finding;
    // Clients do without it.
    return { ...finding, check: 'consul agent', state: 'warning' };
  });
  const clock = (well ?? agents.find(({ clock: told }) => told !== undefined))?.clock;
  return clock === undefined ? findings : [...findings, clock];
}

interface AgentFindings {
  readonly finding: Finding;
  /** Undefined: it did not answer. */
  readonly clock: Finding | undefined;
}

async function askAgent(options: ConsulClient['options'], address: AgentAddress): Promise<AgentFindings> {
  const client = createConsulClient({ ...options, addresses: [address] }, { clock: systemClock });
  const { text } = address;
  try {
    const askedAtMs = Date.now();
    const leader = await client.get({ path: '/status/leader', timeLimitMs: TIME_LIMIT_MS });
    const answeredAtMs = Date.now();
    if (leader.kind === 'failure') {
      const next = 'check --consul or CONSUL_HTTP_ADDR, and that an agent listens there';
      const finding: Finding = { check: 'consul', state: 'problem', finding: `${text}: ${leader.reason}`, next };
      return { finding, clock: undefined };
    }
    const clock = clockFinding(leader.dateMs, askedAtMs, answeredAtMs);
    const hasLeader = /^"[^"]+"/.test(leader.body.toString('utf8').trim());
    if (!hasLeader) {
      const next = "look at the servers' logs";
      return { finding: { check: 'consul', state: 'problem', finding: `${text}: no leader`, next }, clock };
    }
    const finding = `${text} answers${await versionOf(client)}`;
    return { finding: { check: 'consul', state: 'ok', finding }, clock };
  } finally {
    client.close();
  }
}

async function versionOf(client: ConsulClient): Promise<string> {
  const self = await client.get({ path: '/agent/self', timeLimitMs: TIME_LIMIT_MS });
  // Needs agent:read, which a reader of services and policies can do without.
  if (self.kind === 'failure') return '';
  const { Config } = JSON.parse(self.body.toString('utf8')) as { Config?: { Version?: string; Datacenter?: string } };
  return `, version ${Config?.Version ?? 'unknown'}, datacenter ${Config?.Datacenter ?? 'unknown'}`;
}

function clockFinding(theirsMs: number | undefined, askedAtMs: number, answeredAtMs: number): Finding {
  if (theirsMs === undefined) return { check: 'clock', state: 'info', finding: 'Consul does not say its time' };
  // Their time lies within the second that the header names; ours between asking and answering.
  const ahead = theirsMs - answeredAtMs;
  const behind = askedAtMs - (theirsMs + 1_000);
  const skewMs = Math.max(0, ahead, behind);
  if (skewMs < SKEW_WARNING_MS) return { check: 'clock', state: 'ok', finding: "agrees with Consul's" };
  const side = ahead > 0 ? 'behind' : 'ahead of';
  return {
    check: 'clock',
    state: skewMs < SKEW_PROBLEM_MS ? 'warning' : 'problem',
    finding: `this machine's is at least ${Math.round(skewMs / 1000)} s ${side} Consul's; overrides end by it`,
    next: 'set it, by NTP or the like',
  };
}
