import { compilePolicy } from '../../policy/compile';
import type { PolicyDocument } from '../../policy/document';
import type { PolicyProblem } from '../../policy/plan';
import { membershipOf } from '../../snapshot/membership';
import { type ConsulConnection, connectConsul } from '../consul/consul-connection';
import { readInstancesNow } from '../consul/instances-now';
import { nameOf } from '../consul/store-session';
import { describeInFile, type PolicyFile, readPolicyFile } from '../input/policy-file';
import type { CommandIo } from '../io';
import type { ValidateFlags } from './commands/validate';

/** `policy validate`. */
export async function validateFiles(files: readonly string[], flags: ValidateFlags, io: CommandIo): Promise<void> {
  const read = await Promise.all(files.map((file) => readPolicyFile(file, flags.service)));
  const judged = flags.consul === undefined ? read : await withInstances(read, flags, io);
  if (judged.some(({ problems }) => problems.length > 0)) io.exitCode = 1;
  if (flags.json === true) {
    io.json(judged.map(({ document, positions: _, ...rest }) => ({ ...rest, valid: document !== undefined })));
    return;
  }
  for (const { file, problems, warnings } of judged) {
    for (const problem of problems) io.line(`${io.colors.red('error')} ${describeInFile(file, problem)}`);
    for (const warning of warnings) io.line(`${io.colors.yellow('warning')} ${describeInFile(file, warning)}`);
    if (problems.length === 0) io.line(`${io.colors.green('ok')} ${file}`);
  }
}

async function withInstances(
  files: readonly PolicyFile[],
  { consul, tokenFile, dc }: ValidateFlags,
  io: CommandIo,
): Promise<readonly PolicyFile[]> {
  const connection = await connectConsul(
    {
      ...(typeof consul === 'string' ? { consul } : {}),
      ...(tokenFile === undefined ? {} : { tokenFile }),
      ...(dc === undefined ? {} : { dc }),
    },
    io,
  );
  try {
    const datacenters = await connection.datacenters();
    return await Promise.all(
      files.map(async (file) => {
        if (file.document === undefined) return file;
        const empty = await emptySubsets(file, file.document, datacenters, connection);
        return { ...file, warnings: [...file.warnings, ...empty] };
      }),
    );
  } finally {
    connection.close();
  }
}

/** A subset without a healthy instance in a datacenter, and whether any that is out of service would be in it. */
async function emptySubsets(
  { positions }: PolicyFile,
  document: PolicyDocument,
  datacenters: readonly (string | undefined)[],
  { client }: ConsulConnection,
): Promise<readonly PolicyProblem[]> {
  const { service } = document;
  const plan = compilePolicy({ content: document, format: 'object' }, { service, origin: 'file' });
  const filters = [...plan.subsets.values()].map(({ filter }) => filter).filter((filter) => filter !== undefined);
  const warnings: PolicyProblem[] = [];
  for (const datacenter of datacenters) {
    const instances = await readInstancesNow(client, service, [datacenter], [...new Set(filters)]);
    const membership = membershipOf(plan, instances);
    for (const name of Object.keys(document.subsets ?? {})) {
      const groups = membership.groups.filter(({ subset }) => subset === name);
      if (groups.some(({ usable }) => usable.length > 0)) continue;
      const out = groups.reduce((sum, { unusable }) => sum + unusable.length, 0);
      const found = out === 0 ? 'no instance' : `no healthy instance, ${out} out of service`;
      const path = ['subsets', name];
      const message = `subsets.${name}: ${found} in ${nameOf(datacenter)} (expected: at least one)`;
      warnings.push({ path: `subsets.${name}`, message, ...positions?.locate(path) });
    }
  }
  return warnings;
}
