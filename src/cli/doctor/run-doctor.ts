import { type ConsulConnection, type ConsulFlags, connectConsul } from '../consul/consul-connection';
import type { CommandIo } from '../io';
import { checkConsul } from './consul-checks';
import type { Finding } from './finding';
import { checkGrpcCopies } from './grpc-copies';
import { checkService, servicesWithPolicy } from './service-checks';

export interface DoctorFlags extends ConsulFlags {
  readonly tree?: string;
  readonly json?: boolean;
}

export async function runDoctor(services: readonly string[], flags: DoctorFlags, io: CommandIo): Promise<void> {
  const connection = await connectConsul(flags, io);
  const findings: Finding[] = [];
  try {
    findings.push(...(await checkConsul(connection)));
    if (findings.every(({ check, state }) => check !== 'consul' || state === 'ok')) {
      findings.push(...(await checkServices(services, connection)));
    }
  } finally {
    connection.close();
  }
  findings.push(await checkGrpcCopies(flags.tree ?? process.cwd()));
  if (findings.some(({ state }) => state === 'problem')) io.exitCode = 1;
  if (flags.json === true) {
    io.json({ findings });
    return;
  }
  const { colors } = io;
  const color = { ok: colors.green, info: colors.dim, warning: colors.yellow, problem: colors.red };
  for (const { check, state, finding, next } of findings) {
    io.line(`${color[state](state.padEnd(8))} ${check}: ${finding}`);
    if (next !== undefined && state !== 'ok') io.line(`         -> ${next}`);
  }
}

async function checkServices(named: readonly string[], connection: ConsulConnection): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  const datacenters = await connection.datacenters();
  for (const dc of datacenters) {
    const { client } = connection;
    const services = named.length > 0 ? named : await servicesWithPolicy(client, dc);
    if ('check' in services) findings.push(inDatacenter(services, dc));
    else for (const service of services) findings.push(...(await checkOne(service, dc, connection)));
    if (Array.isArray(services) && services.length === 0) {
      const next = 'name services: graylane doctor payments';
      findings.push(inDatacenter({ check: 'services', state: 'info', finding: 'none has a policy', next }, dc));
    }
  }
  return findings;
}

async function checkOne(
  service: string,
  dc: string | undefined,
  connection: ConsulConnection,
): Promise<readonly Finding[]> {
  const { client } = connection;
  return (await checkService({ service, dc, client, connection })).map((finding) => inDatacenter(finding, dc));
}

function inDatacenter(finding: Finding, dc: string | undefined): Finding {
  return dc === undefined ? finding : { ...finding, check: `${finding.check} in ${dc}` };
}
