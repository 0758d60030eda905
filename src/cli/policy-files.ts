import { readdir, readFile, realpath, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { isRecord } from '../base/is-record';
import { documentText } from '../ops/store/policy-text';
import { compilePolicy } from '../policy/compile';
import type { PolicyDocument } from '../policy/document';
import { type ParsedText, parsePolicyText, parsePolicyTexts } from '../policy/parse-text';
import { ownValue } from '../policy/plain-data';
import type { Plan, PolicyProblem } from '../policy/plan';
import type { Positions } from '../policy/problems';
import { validatePolicy } from '../policy/validate';
import { CommandError, codeOf } from './command';
import { counted } from './describe';
import type { CommandIo } from './io';

/** A policy as a file has it, judged. */
export interface PolicyFile {
  readonly file: string;
  /** As the document names it; undefined when it does not. */
  readonly service: string | undefined;
  /** Undefined when there are problems. */
  readonly document: PolicyDocument | undefined;
  readonly problems: readonly PolicyProblem[];
  readonly warnings: readonly PolicyProblem[];
  /** Where its parts stand; undefined when it could not be read as a document. */
  readonly positions: Positions | undefined;
}

/**
 * Reads and judges a file; `-` is standard input. JSON where the name ends in `.json`, YAML (which JSON is, too)
 * otherwise. Throws a CommandError only when there is nothing to judge.
 */
export async function readPolicyFile(file: string, expectedService?: string): Promise<PolicyFile> {
  return judgeParsed(file, parsePolicyText(await readBytes(file), formatOf(file)), expectedService);
}

/** The same of a file that may hold several YAML documents, parted by `---`: one for each, at least one. */
async function readDocuments(file: string, expectedService?: string): Promise<readonly PolicyFile[]> {
  const parsed = parsePolicyTexts(await readBytes(file), formatOf(file));
  return parsed.map((each) => judgeParsed(file, each, expectedService));
}

/** JSON where the name ends in `.json`, otherwise YAML. */
export function formatOf(file: string): 'json' | 'yaml' {
  return file.toLowerCase().endsWith('.json') ? 'json' : 'yaml';
}

function judgeParsed(file: string, parsed: ParsedText, expectedService: string | undefined): PolicyFile {
  if (parsed.value === undefined) {
    const { problems } = parsed;
    return { file, service: undefined, document: undefined, problems, warnings: [], positions: undefined };
  }
  const named = isRecord(parsed.value) ? ownValue(parsed.value, 'service') : undefined;
  const service = typeof named === 'string' && named !== '' ? named : undefined;
  const judged = validatePolicy(parsed.value, {
    service: expectedService ?? service ?? '',
    positions: parsed.positions,
  });
  const problems = [...parsed.problems, ...judged.problems];
  return {
    file,
    service,
    document: problems.length === 0 ? judged.document : undefined,
    problems,
    warnings: judged.warnings,
    positions: parsed.positions,
  };
}

/** `payments.yaml:12:5 routes[1].split[0].weight: -1 (expected: >= 0)`, which editors and CI turn into links. */
export function describeInFile(file: string, problem: PolicyProblem): string {
  const place = problem.line === undefined ? file : `${file}:${problem.line}:${problem.column ?? 1}`;
  return `${place} ${problem.message}`;
}

/** `-` is standard input. Throws a CommandError. */
export async function readBytes(file: string): Promise<Uint8Array> {
  try {
    if (file !== '-') return await readFile(file);
    const chunks: Buffer[] = [];
    for await (const chunk of process.stdin) chunks.push(chunk);
    return Buffer.concat(chunks);
  } catch (error) {
    throw new CommandError(2, `${file}: ${codeOf(error)} (expected: a file that can be read)`, 'check its name');
  }
}

const POLICY_FILE = /\.(?:ya?ml|json)$/i;

/**
 * Reads and judges every policy of these files and folders, in this order; `-` is standard input. Of a folder: every
 * `*.yaml`, `*.yml` and `*.json` below it, by name, except where a name begins with a dot. A service that is named
 * twice is a problem of the second document, unless all must be for `expectedService`. Throws a CommandError when
 * something cannot be read.
 */
export async function readPolicyFiles(
  paths: readonly string[],
  expectedService?: string,
): Promise<readonly PolicyFile[]> {
  const read: PolicyFile[] = [];
  for (const file of await findFiles(paths)) read.push(...(await readDocuments(file, expectedService)));
  return expectedService === undefined ? withoutDoubles(read) : read;
}

/** Each file once, however often it is named. */
async function findFiles(paths: readonly string[]): Promise<readonly string[]> {
  const files = new Map<string, string>();
  const add = (file: string): void => {
    const key = file === '-' ? file : resolve(file);
    if (!files.has(key)) files.set(key, file);
  };
  for (const path of paths) {
    if (path === '-' || !(await isFolder(path))) {
      add(path);
      continue;
    }
    const found = await filesBelow(path, new Set());
    // An empty folder is most likely another one than was meant.
    if (found.length === 0) {
      throw new CommandError(
        2,
        `${path}: no policy file (expected: *.yaml, *.yml or *.json below it)`,
        'check its name',
      );
    }
    for (const file of found) add(file);
  }
  return [...files.values()];
}

/** A path that does not exist is reported when it is read. */
export async function isFolder(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  return found?.isDirectory() === true;
}

/** `above`: the folders that lead here, since a link may lead back. */
async function filesBelow(folder: string, above: ReadonlySet<string>): Promise<readonly string[]> {
  try {
    const here = await realpath(folder);
    if (above.has(here)) return [];
    const entries = await readdir(folder, { withFileTypes: true });
    const names = entries.map(({ name }) => name).filter((name) => !name.startsWith('.'));
    const files: string[] = [];
    for (const name of names.sort()) {
      const path = join(folder, name);
      // By what a link leads to: Kubernetes mounts files as links.
      if (await isFolder(path)) files.push(...(await filesBelow(path, new Set([...above, here]))));
      else if (POLICY_FILE.test(name)) files.push(path);
    }
    return files;
  } catch (error) {
    if (error instanceof CommandError) throw error;
    throw new CommandError(
      2,
      `${folder}: ${codeOf(error)} (expected: a folder that can be read)`,
      'check what you may read',
    );
  }
}

function withoutDoubles(read: readonly PolicyFile[]): readonly PolicyFile[] {
  const first = new Map<string, string>();
  return read.map((each) => {
    const { service, positions, file } = each;
    if (service === undefined) return each;
    const position = positions?.locate(['service']);
    const other = first.get(service);
    if (other === undefined) {
      first.set(service, position === undefined ? file : `${file}:${position.line}:${position.column}`);
      return each;
    }
    const message = `service: ${JSON.stringify(service)} (expected: in one document alone; ${other} has it, too)`;
    return { ...each, document: undefined, problems: [...each.problems, { path: 'service', message, ...position }] };
  });
}

export interface LoadedPolicy {
  readonly document: PolicyDocument;
  readonly plan: Plan;
}

/** Reads a policy that is to be used. One with problems: all are shown, then a CommandError ends the command with 1. */
export async function loadPolicy(file: string, io: CommandIo, expectedService?: string): Promise<LoadedPolicy> {
  const { document, problems } = await readPolicyFile(file, expectedService);
  if (document === undefined) {
    for (const problem of problems) io.note(`${io.colors.red('error')} ${describeInFile(file, problem)}`);
    const count = counted(problems.length, 'problem');
    throw new CommandError(1, `${file}: ${count}`, `correct it and run graylane policy validate ${file}`);
  }
  const { service } = document;
  return { document, plan: compilePolicy({ content: document, format: 'object' }, { service, origin: 'file' }) };
}

/** A valid policy, as it is to be written. */
export interface ValidPolicy {
  readonly service: string;
  readonly text: string;
  /** What to do after a lost race. */
  readonly again: string;
}

/**
 * Reads valid policies from files and folders, one for each service, and shows warnings. When one is invalid, shows
 * every problem with file, line and path, and throws a CommandError with exit code 1.
 */
export async function readValidPolicies(
  paths: readonly string[],
  io: CommandIo,
  json: boolean,
): Promise<readonly ValidPolicy[]> {
  const read = await readPolicyFiles(paths);
  const bad = read.filter(({ document }) => document === undefined);
  if (bad.length > 0) throw invalid(bad, read.length, paths, io, json);
  return read.flatMap(({ file, document, warnings }) => {
    if (document === undefined) return [];
    for (const warning of warnings) io.note(`${io.colors.yellow('warning')} ${describeInFile(file, warning)}`);
    const again = `run graylane policy diff ${file}, then apply again`;
    return [{ service: document.service, text: documentText(document), again }];
  });
}

function invalid(
  bad: readonly PolicyFile[],
  of: number,
  paths: readonly string[],
  io: CommandIo,
  json: boolean,
): CommandError {
  if (json) io.json(bad.map(({ file, service, problems }) => ({ file, service, outcome: 'invalid', problems })));
  else {
    for (const { file, problems } of bad)
      for (const problem of problems) io.note(`${io.colors.red('error')} ${describeInFile(file, problem)}`);
  }
  const sum = bad.reduce((total, { problems }) => total + problems.length, 0);
  const count = counted(sum, 'problem');
  const [only] = bad;
  const what = of === 1 && only !== undefined ? only.file : `${bad.length} of ${of} policies`;
  return new CommandError(
    1,
    `${what}: refused, ${count}; nothing was written`,
    `mend ${bad.length === 1 ? 'it' : 'them'} and run graylane policy validate ${paths.join(' ')}`,
  );
}
