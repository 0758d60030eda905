import { systemClock } from '../../base/clock';
import { isRecord } from '../../base/is-record';
import { describeSelector } from '../../ops/effect/describe-selector';
import { judgeEffect } from '../../ops/effect/effect';
import type { PolicyDocument } from '../../policy/document';
import { membershipOf } from '../../policy/membership/membership';
import { unassignedOf } from '../../policy/membership/shortfalls';
import { parseDocumentText } from '../../policy/parse-text';
import type { Plan, PolicyProblem } from '../../policy/plan';
import type { DocumentPath } from '../../policy/problems';
import { type CaseLists, createCaseJudge } from '../../policy/routing/case-judge';
import { type PolicyCase, problemsOfCases, problemsOfLists } from '../../policy/routing/policy-case';
import { CommandError } from '../command';
import { type ConsulConnection, type ConsulFlags, withConsul } from '../consul/consul-connection';
import { joinOtherPolicies } from '../consul/other-policies';
import { readRegistryView } from '../consul/registry-view';
import { inSlices, nameOf } from '../consul/store-session';
import type { CommandIo } from '../io';
import {
  describeInFile,
  formatOf,
  loadPolicy,
  type PolicyFile,
  planOf,
  readBytes,
  readPolicyFiles,
} from '../policy-files';

/** `policy validate`. */
export async function validateFiles(files: readonly string[], flags: ValidateFlags, io: CommandIo): Promise<void> {
  const read = await readPolicyFiles(files, flags.service);
  const judged = flags.consul === undefined ? read : await withInstances(read, flags, io);
  if (judged.some(({ problems }) => problems.length > 0)) io.exitCode = 1;
  io.json(judged.map(({ document, positions: _, ...rest }) => ({ ...rest, valid: document !== undefined })));
  for (const { file, service, problems, warnings } of judged) {
    for (const problem of problems) io.line(`${io.colors.red('error')} ${describeInFile(file, problem)}`);
    for (const warning of warnings) io.line(`${io.colors.yellow('warning')} ${describeInFile(file, warning)}`);
    const isOneOfSeveral = judged.filter((each) => each.file === file).length > 1;
    if (problems.length === 0) io.line(`${io.colors.green('ok')} ${file}${isOneOfSeveral ? ` (${service})` : ''}`);
  }
}

async function withInstances(
  files: readonly PolicyFile[],
  { consul, ...flags }: ValidateFlags,
  io: CommandIo,
): Promise<readonly PolicyFile[]> {
  return withConsul(typeof consul === 'string' ? { ...flags, consul } : flags, io, async (connection) => {
    const datacenters = await connection.datacenters();
    return inSlices(files, async (file) => {
      if (file.document === undefined) return file;
      const found = await judgeFile(file, file.document, datacenters, connection);
      const problems = [...file.problems, ...found.problems];
      const document = problems.length === 0 ? file.document : undefined;
      return { ...file, document, problems, warnings: [...file.warnings, ...found.warnings] };
    });
  });
}

/**
 * What the policy would do to calls with the instances that Consul lists now: problems. Subsets that no call gets to
 * and that have no usable instance: warnings.
 */
async function judgeFile(
  file: PolicyFile,
  document: PolicyDocument,
  datacenters: readonly (string | undefined)[],
  connection: ConsulConnection,
): Promise<Pick<PolicyFile, 'problems' | 'warnings'>> {
  const { service } = document;
  const written = planOf(document);
  const problems: PolicyProblem[] = [];
  const warnings: PolicyProblem[] = [];
  const { positions } = file;
  for (const datacenter of datacenters) {
    const [plan = written] = await joinOtherPolicies(connection.client, [written], datacenter);
    const view = await readRegistryView(connection, { service, datacenter }, [plan]);
    const effect = judgeEffect({ before: plan, after: plan, view, wallNowMs: Date.now() });
    const { findings, remarks, athomeLost, isUnregistered } = effect;
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
    for (const remark of [...remarks, ...athomeLost]) warnings.push({ path: '', message: `in ${where}, ${remark}` });
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

interface ValidateFlags extends Omit<ConsulFlags, 'consul'> {
  readonly service?: string;
  /** True: given without an address. */
  readonly consul?: string | true;
}

/** `policy test`. */
export async function testPolicyFile(
  file: string,
  casesFile: string,
  { at }: { readonly at?: string },
  io: CommandIo,
): Promise<void> {
  const wallNow = at === undefined ? Date.now() : Date.parse(at);
  if (Number.isNaN(wallNow))
    throw new CommandError(2, `--at: ${at} (expected: RFC 3339)`, 'write 2026-12-01T10:00:00Z');
  const { document, plan } = await loadPolicy(file, io);
  const { cases, lists } = await readCases(casesFile, plan, io);
  const clock = { ...systemClock, wallNow: () => wallNow };
  const results = cases.map(createCaseJudge(document, { clock, lists }));
  const failed = results.filter(({ problem }) => problem !== undefined).length;
  if (failed > 0) io.exitCode = 1;
  io.json({ service: plan.service, revision: plan.revision, cases: results.length, failed, results });
  for (const { name, problem, subset } of results) {
    if (problem === undefined) io.line(`${io.colors.green('ok')}     ${name} -> ${subset}`);
    else io.line(`${io.colors.red('failed')} ${name}: ${problem}`);
  }
  io.line(`${results.length - failed} of ${results.length} cases hold`);
}

interface CaseTable {
  readonly cases: readonly PolicyCase[];
  /** For all of its cases. */
  readonly lists: CaseLists;
}

async function readCases(file: string, plan: Plan, io: CommandIo): Promise<CaseTable> {
  const bytes = await readBytes(file);
  const { value, problems } = parseDocumentText(bytes, formatOf(file));
  const { cases, lists } = isRecord(value) ? value : { cases: value, lists: undefined };
  const found =
    value === undefined
      ? problems.map(({ message }) => message)
      : [...problemsOfLists(lists, 'lists', plan), ...problemsOfCases(cases, plan)];
  if (found.length === 0) return { cases: cases as CaseTable['cases'], lists: (lists ?? {}) as CaseLists };
  for (const problem of found) io.note(`${io.colors.red('error')} ${file} ${problem}`);
  const message = `${file}: ${found.length} problems with its cases`;
  throw new CommandError(2, message, 'see docs/testing.md for the form of a case');
}
