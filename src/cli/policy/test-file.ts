import { readFile } from 'node:fs/promises';
import { systemClock } from '../../base/clock';
import { isRecord } from '../../base/is-record';
import { seededRandom } from '../../base/random';
import { parsePolicyText } from '../../policy/parse-text';
import { explainRouting } from '../../policy/routing/explain';
import { labelsOf } from '../../policy/routing/labels';
import {
  CASE_METHOD,
  judgeDecision,
  nameOfCase,
  type PolicyCase,
  problemsOfCases,
} from '../../policy/routing/policy-case';
import { CommandError } from '../command-error';
import { loadPolicy } from '../input/load-policy';
import type { CommandIo } from '../io';

export async function testPolicyFile(
  file: string,
  casesFile: string,
  { json, at }: { readonly json?: boolean; readonly at?: string },
  io: CommandIo,
): Promise<void> {
  const wallNow = at === undefined ? Date.now() : Date.parse(at);
  if (Number.isNaN(wallNow))
    throw new CommandError(2, `--at: ${at} (expected: RFC 3339)`, 'write 2026-12-01T10:00:00Z');
  const { plan } = await loadPolicy(file, io);
  const cases = await readCases(casesFile, [...plan.subsets.keys()], io);
  const env = { clock: { ...systemClock, wallNow: () => wallNow }, random: seededRandom(1) };
  const results = cases.map((one) => {
    const { method = CASE_METHOD, labels = {}, stickyKey } = one;
    const found = explainRouting(plan, { method, labels: labelsOf(labels), stickyKey, force: undefined }, env);
    const { subset, route } = found.decision;
    return { name: nameOfCase(one), problem: judgeDecision(found, one), route, subset };
  });
  const failed = results.filter(({ problem }) => problem !== undefined).length;
  if (failed > 0) io.exitCode = 1;
  if (json === true) {
    io.json({ service: plan.service, revision: plan.revision, cases: results.length, failed, results });
    return;
  }
  for (const { name, problem, subset } of results) {
    if (problem === undefined) io.line(`${io.colors.green('ok')}     ${name} -> ${subset}`);
    else io.line(`${io.colors.red('failed')} ${name}: ${problem}`);
  }
  io.line(`${results.length - failed} of ${results.length} cases hold`);
}

async function readCases(file: string, subsets: readonly string[], io: CommandIo): Promise<readonly PolicyCase[]> {
  const bytes = await readFile(file).catch((error: NodeJS.ErrnoException) => {
    throw new CommandError(2, `${file}: ${error.code} (expected: a file that can be read)`, 'check its name');
  });
  const { value, problems } = parsePolicyText(bytes, file.toLowerCase().endsWith('.json') ? 'json' : 'yaml');
  const list = isRecord(value) ? value['cases'] : value;
  const found = value === undefined ? problems.map(({ message }) => message) : problemsOfCases(list, subsets);
  if (found.length === 0) return list as readonly PolicyCase[];
  for (const problem of found) io.note(`${io.colors.red('error')} ${file} ${problem}`);
  throw new CommandError(
    2,
    `${file}: ${found.length} problems with its cases`,
    'see docs/testing.md for the form of a case',
  );
}
