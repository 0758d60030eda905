import { describeSelector } from '../../ops/effect/describe-selector';
import { judgeEffect } from '../../ops/effect/effect';
import { compilePolicy } from '../../policy/compile';
import type { PolicyDocument } from '../../policy/document';
import { membershipOf } from '../../policy/membership/membership';
import { unassignedOf } from '../../policy/membership/shortfalls';
import type { PolicyProblem } from '../../policy/plan';
import type { DocumentPath } from '../../policy/problems';
import { type ConsulConnection, connectConsul } from '../consul/consul-connection';
import { readRegistryView } from '../consul/registry-view';
import { nameOf } from '../consul/store-session';
import { inSlices } from '../in-slices';
import { describeInFile, type PolicyFile } from '../input/policy-file';
import { readPolicyFiles } from '../input/policy-files';
import type { CommandIo } from '../io';
import type { ValidateFlags } from './commands/validate';

/** `policy validate`. */
export async function validateFiles(files: readonly string[], flags: ValidateFlags, io: CommandIo): Promise<void> {
  const read = await readPolicyFiles(files, flags.service);
  const judged = flags.consul === undefined ? read : await withInstances(read, flags, io);
  if (judged.some(({ problems }) => problems.length > 0)) io.exitCode = 1;
  if (flags.json === true) {
    io.json(judged.map(({ document, positions: _, ...rest }) => ({ ...rest, valid: document !== undefined })));
    return;
  }
  for (const { file, service, problems, warnings } of judged) {
    for (const problem of problems) io.line(`${io.colors.red('error')} ${describeInFile(file, problem)}`);
    for (const warning of warnings) io.line(`${io.colors.yellow('warning')} ${describeInFile(file, warning)}`);
    const isOneOfSeveral = judged.filter((each) => each.file === file).length > 1;
    if (problems.length === 0) io.line(`${io.colors.green('ok')} ${file}${isOneOfSeveral ? ` (${service})` : ''}`);
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
    return await inSlices(files, async (file) => {
      if (file.document === undefined) return file;
      const found = await judgeFile(file, file.document, datacenters, connection);
      const problems = [...file.problems, ...found.problems];
      const document = problems.length === 0 ? file.document : undefined;
      return { ...file, document, problems, warnings: [...file.warnings, ...found.warnings] };
    });
  } finally {
    connection.close();
  }
}

/**
 * What the policy would do to calls with the instances that Consul lists now: problems. Subsets that no call gets to and that
 * have no usable instance: warnings.
 */
async function judgeFile(
  file: PolicyFile,
  document: PolicyDocument,
  datacenters: readonly (string | undefined)[],
  connection: ConsulConnection,
): Promise<{ readonly problems: readonly PolicyProblem[]; readonly warnings: readonly PolicyProblem[] }> {
  const { service } = document;
  const plan = compilePolicy({ content: document, format: 'object' }, { service, origin: 'file' });
  const problems: PolicyProblem[] = [];
  const warnings: PolicyProblem[] = [];
  const { positions } = file;
  for (const datacenter of datacenters) {
    const view = await readRegistryView(connection, { service, datacenter }, [plan]);
    const { findings, remarks, isUnregistered } = judgeEffect({
      before: plan,
      after: plan,
      view,
      wallNowMs: Date.now(),
    });
    const where = nameOf(datacenter);
    for (const { path, text } of findings) {
      problems.push({ path, message: `${path}: in ${where}, ${text}`, ...positions?.locate(pathOf(path)) });
    }
    if (isUnregistered) {
      warnings.push({ path: 'service', message: `service: no instance of ${service} is registered in ${where}` });
      continue;
    }
    const left = unassignedOf(plan, membershipOf(plan, view.instances));
    if (left !== undefined) warnings.push({ path: 'subsets', message: `subsets: in ${where}, ${left.text}` });
    for (const remark of remarks) warnings.push({ path: '', message: `in ${where}, ${remark}` });
    const told = new Set(findings.map(({ subset }) => subset));
    const home = membershipOf(plan, { version: 0, datacenters: view.instances.datacenters.slice(0, 1) });
    for (const name of Object.keys(document.subsets ?? {})) {
      const path = `subsets.${name}`;
      if (told.has(name) || home.groups.some(({ subset, usable }) => subset === name && usable.length > 0)) continue;
      const message = `${path}: in ${where}, ${describeSelector(plan, name, home)} (expected: at least one)`;
      warnings.push({ path, message, ...positions?.locate(['subsets', name]) });
    }
  }
  return { problems, warnings };
}

/** Of `routes[0].split[1]` or `subsets.stable`; a subset's name may have dots. */
function pathOf(path: string): DocumentPath {
  const subset = /^subsets\.(.*?)(\.filter)?$/.exec(path);
  if (subset !== null) return ['subsets', subset[1] ?? '', ...(subset[2] === undefined ? [] : ['filter'])];
  return path.split(/[.[\]]+/).flatMap((part) => (part === '' ? [] : [/^\d+$/.test(part) ? Number(part) : part]));
}
