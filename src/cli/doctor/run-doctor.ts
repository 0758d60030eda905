import { type ConsulConnection, withConsul } from '../consul/consul-connection';
import { joinOtherPolicies } from '../consul/other-policies';
import type { CommandIo } from '../io';
import { checkConsul, checkRights, checkSession, knownDatacenters } from './consul-checks';
import { checkDestinations } from './destination-checks';
import { checkEffect, checkFailover, checkNeighbours, checkZones } from './effect-checks';
import { type DoctorFlags, type Finding, info, type Question } from './finding';
import { checkPeers, lookAtInstances } from './instance-checks';
import { checkGrpcCopies, checkNode, checkStateDirectory, checkVariables } from './machine-checks';
import { checkRollout, lookAtPolicy, servicesWithPolicy } from './policy-checks';
import { checkPorts } from './port-checks';

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
    const at = (finding: Finding): Finding =>
      dc === undefined ? finding : { ...finding, check: `${finding.check} in ${dc}` };
    const services = named.length > 0 ? named : await servicesWithPolicy(connection.client, dc);
    if ('check' in services) findings.push(at(services));
    else if (services.length === 0) {
      findings.push(at(info('services', 'none has a policy', 'name services: graylane doctor payments')));
    } else {
      for (const service of services) {
        findings.push(...(await checkService({ service, dc, connection, env: io.env, flags })).map(at));
      }
    }
  }
  return findings;
}

/** Checks the policy, the instances, and the effect of the policy on them. */
async function checkService(question: Question): Promise<readonly Finding[]> {
  const { findings: ofPolicy, plan: written } = await lookAtPolicy(question);
  const read = written === undefined ? [] : [written];
  const [plan] = await joinOtherPolicies(question.connection.client, read, question.dc);
  const { findings: ofInstances, usable } = await lookAtInstances(question);
  const findings = [...ofPolicy, ...ofInstances];
  if (plan !== undefined) {
    const planned = { ...question, plan };
    findings.push(...checkDestinations(planned));
    for (const check of [checkEffect, checkFailover, checkNeighbours, checkZones]) {
      findings.push(...(await check(planned)));
    }
    findings.push(...(await checkPeers(question.connection.client, plan, question.dc)));
  }
  if (question.flags.dial) findings.push(...(await checkPorts(question, usable)));
  findings.push(...(await checkRights(question)));
  // Rollouts are of the agent's own datacenter.
  if (question.dc === undefined) findings.push(...(await checkRollout(question)));
  return findings;
}
