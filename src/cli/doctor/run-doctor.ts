import { type ConsulConnection, type ConsulFlags, withConsul } from '../consul/consul-connection';
import type { CommandIo } from '../io';
import { checkConsul, checkRights, checkSession, knownDatacenters } from './consul-checks';
import { checkEffect, checkFailover, checkNeighbours, checkZones } from './effect-checks';
import { type Finding, info, type Question, type Role } from './finding';
import { checkPeers, lookAtInstances } from './instance-checks';
import { checkGrpcCopies, checkNode, checkStateDirectory, checkVariables } from './machine-checks';
import { checkRollout, lookAtPolicy, servicesWithPolicy } from './policy-checks';
import { checkPorts } from './port-checks';

interface DoctorFlags extends ConsulFlags {
  readonly tree?: string;
  readonly role: Role;
  readonly policy?: string;
  readonly stateDirectory?: string;
  /** False under `--no-dial`. */
  readonly dial: boolean;
  readonly tls?: boolean;
}

/** `doctor`. */
export async function runDoctor(services: readonly string[], flags: DoctorFlags, io: CommandIo): Promise<void> {
  const findings: Finding[] = [...checkNode(), ...checkVariables(io.env)];
  await withConsul(flags, io, async (connection) => {
    const consul = await checkConsul(connection);
    findings.push(...consul.findings);
    if (consul.isUsable) findings.push(...(await checkServices(services, flags, connection, io)));
  });
  findings.push(...(await checkStateDirectory(flags.stateDirectory, io.env)));
  findings.push(await checkGrpcCopies(flags.tree ?? process.cwd()));
  if (findings.some(({ state }) => state === 'problem')) io.exitCode = 1;
  io.json({ findings });
  const { colors } = io;
  const color = { ok: colors.green, info: colors.dim, warning: colors.yellow, problem: colors.red };
  for (const { check, state, finding, next } of findings) {
    io.line(`${color[state](state.padEnd(8))} ${check}: ${finding}`);
    if (next !== undefined && state !== 'ok') io.line(`         -> ${next}`);
  }
}

async function checkServices(
  named: readonly string[],
  flags: DoctorFlags,
  connection: ConsulConnection,
  io: CommandIo,
): Promise<readonly Finding[]> {
  const { datacenters, findings: unknown } = await knownDatacenters(connection);
  const findings = [...unknown];
  if (flags.role === 'controller') findings.push(...(await checkSession(connection)));
  for (const dc of datacenters) {
    const { client } = connection;
    const services = named.length > 0 ? named : await servicesWithPolicy(client, dc);
    if ('check' in services) findings.push(atDatacenter(services, dc));
    else if (services.length === 0) {
      const next = 'name services: graylane doctor payments';
      findings.push(atDatacenter(info('services', 'none has a policy', next), dc));
    } else {
      for (const service of services) {
        const question: Question = {
          service,
          dc,
          connection,
          env: io.env,
          role: flags.role,
          policyFile: flags.policy,
          isDialling: flags.dial,
          isTls: flags.tls === true,
        };
        findings.push(...(await checkService(question)).map((finding) => atDatacenter(finding, dc)));
      }
    }
  }
  return findings;
}

/** Checks the policy, the instances, and the effect of the policy on them. */
async function checkService(question: Question): Promise<readonly Finding[]> {
  const { findings: ofPolicy, plan } = await lookAtPolicy(question);
  const { findings: ofInstances, usable } = await lookAtInstances(question);
  const findings = [...ofPolicy, ...ofInstances];
  if (plan !== undefined) {
    const planned = { ...question, plan };
    for (const check of [checkEffect, checkFailover, checkNeighbours, checkZones]) {
      findings.push(...(await check(planned)));
    }
    findings.push(...(await checkPeers(question.connection.client, plan, question.dc)));
  }
  if (question.isDialling) findings.push(...(await checkPorts(question, usable)));
  findings.push(...(await checkRights(question)));
  // Rollouts are of the agent's own datacenter.
  if (question.dc === undefined) findings.push(...(await checkRollout(question)));
  return findings;
}

function atDatacenter(finding: Finding, dc: string | undefined): Finding {
  return dc === undefined ? finding : { ...finding, check: `${finding.check} in ${dc}` };
}
