import { readdir, readFile, realpath, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { defined } from '../base/defined';
import { isRecord } from '../base/is-record';
import { documentText } from '../ops/store/policy-text';
import { compilePolicy } from '../policy/compile';
import type { PolicyDocument } from '../policy/document';
import { parseDocumentText, parseDocumentTexts } from '../policy/parse-text';
import { ownValue } from '../policy/plain-data';
import type { Plan, PolicyProblem } from '../policy/plan';
import type { ParsedText, Positions } from '../policy/problems';
import { validatePolicy } from '../policy/validate';
import { CommandError, codeOf } from './command';
import { counted, sumOf } from './describe';
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
  return judgeParsed(file, parseDocumentText(await readBytes(file), formatOf(file)), expectedService);
}

/** The same of a text that is in no file; YAML, which JSON is, too. */
export function judgeText(text: string, expectedService: string): PolicyFile {
  return judgeParsed('policy', parseDocumentText(text, 'yaml'), expectedService);
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
  const { positions } = parsed;
  const named = isRecord(parsed.value) ? ownValue(parsed.value, 'service') : undefined;
  const service = typeof named === 'string' && named !== '' ? named : undefined;
  const judged = validatePolicy(parsed.value, { service: expectedService ?? service ?? '', positions });
  const problems = [...parsed.problems, ...judged.problems];
  const document = problems.length === 0 ? judged.document : undefined;
  return { file, service, document, problems, warnings: judged.warnings, positions };
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

/** The same as text. */
export async function readText(file: string): Promise<string> {
  return Buffer.from(await readBytes(file)).toString('utf8');
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
  for (const file of await findFiles(paths)) {
    // A file may hold several YAML documents, parted by `---`: at least one.
    const parsed = parseDocumentTexts(await readBytes(file), formatOf(file));
    read.push(...parsed.map((each) => judgeParsed(file, each, expectedService)));
  }
  return expectedService === undefined ? withoutDoubles(read) : read;
}

/**
 * Each file once, however often it is named; of folders what lies below them and has a name like `named`. Throws a
 * CommandError.
 */
export async function findFiles(paths: readonly string[], named: RegExp = POLICY_FILE): Promise<Iterable<string>> {
  const files = new Map<string, string>();
  for (const path of paths) {
    const isOne = path === '-' || !(await isFolder(path));
    const found = isOne ? [path] : await filesBelow(path, new Set(), named);
    // An empty folder is most likely a mistake.
    if (found.length === 0) {
      const what = named === POLICY_FILE ? 'no policy file' : 'no file to read';
      const message = `${path}: ${what} (expected: *.yaml, *.yml or *.json below it)`;
      throw new CommandError(2, message, 'check its name');
    }
    for (const file of found) {
      const key = file === '-' ? file : resolve(file);
      if (!files.has(key)) files.set(key, file);
    }
  }
  return files.values();
}

/** False for a path that does not exist, which is reported when it is read. */
export async function isFolder(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  return found?.isDirectory() === true;
}

/** `above`: the folders above this one, since a link may lead back to them. */
async function filesBelow(folder: string, above: ReadonlySet<string>, named: RegExp): Promise<readonly string[]> {
  try {
    const here = await realpath(folder);
    if (above.has(here)) return [];
    const entries = await readdir(folder, { withFileTypes: true });
    const names = entries.map(({ name }) => name).filter((name) => !name.startsWith('.'));
    const files: string[] = [];
    for (const name of names.sort()) {
      const path = join(folder, name);
      // By what a link leads to: Kubernetes mounts files as links.
      if (await isFolder(path)) files.push(...(await filesBelow(path, new Set([...above, here]), named)));
      else if (named.test(name)) files.push(path);
    }
    return files;
  } catch (error) {
    if (error instanceof CommandError) throw error;
    const message = `${folder}: ${codeOf(error)} (expected: a folder that can be read)`;
    throw new CommandError(2, message, 'check what you may read');
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

/** Reads a policy that is to be used. One with problems: all are shown, then a CommandError ends the command with 1. */
export async function loadPolicy(
  file: string,
  io: CommandIo,
  expectedService?: string,
  caller?: string,
): Promise<{ readonly document: PolicyDocument; readonly plan: Plan }> {
  const { document, problems } = await readPolicyFile(file, expectedService);
  if (document === undefined) {
    noteProblems(file, problems, 'error', io);
    const count = counted(problems.length, 'problem');
    throw new CommandError(1, `${file}: ${count}`, `correct it and run graylane policy validate ${file}`);
  }
  return { document, plan: planOf(document, caller) };
}

/** The plan of a valid document, as a client has it that states the name `caller` of itself. */
export function planOf(document: PolicyDocument, caller?: string): Plan {
  const facts = { service: document.service, origin: 'file', ...defined({ caller }) } as const;
  return compilePolicy({ content: document, format: 'object' }, facts);
}

/**
 * Reads valid policies from files and folders, one for each service, as they are to be written, and shows warnings.
 * When one is invalid, shows every problem with file, line and path, and throws a CommandError with exit code 1.
 * `again`: what to do after a lost race.
 */
export async function readValidPolicies(
  paths: readonly string[],
  io: CommandIo,
): Promise<readonly { readonly service: string; readonly text: string; readonly again: string }[]> {
  const read = await readPolicyFiles(paths);
  const bad = read.filter(({ document }) => document === undefined);
  if (bad.length > 0) throw invalid(bad, read.length, paths, io);
  return read.flatMap(({ file, document, warnings }) => {
    if (document === undefined) return [];
    noteProblems(file, warnings, 'warning', io);
    const again = `run graylane policy diff ${file}, then apply again`;
    return [{ service: document.service, text: documentText(document), again }];
  });
}

function invalid(bad: readonly PolicyFile[], of: number, paths: readonly string[], io: CommandIo): CommandError {
  io.json(bad.map(({ file, service, problems }) => ({ file, service, outcome: 'invalid', problems })));
  if (!io.asJson) for (const { file, problems } of bad) noteProblems(file, problems, 'error', io);
  const count = counted(sumOf(bad.map(({ problems }) => problems.length)), 'problem');
  const what = of === 1 ? bad[0]?.file : `${bad.length} of ${of} policies`;
  const next = `mend ${bad.length === 1 ? 'it' : 'them'} and run graylane policy validate ${paths.join(' ')}`;
  return new CommandError(1, `${what}: refused, ${count}; nothing was written`, next);
}

/** One line each on standard error, with path, and file and line where there is a file. */
export function noteProblems(
  file: string | undefined,
  problems: readonly PolicyProblem[],
  kind: 'error' | 'warning',
  io: CommandIo,
): void {
  const word = kind === 'error' ? io.colors.red(kind) : io.colors.yellow(kind);
  for (const problem of problems) {
    io.note(`${word} ${file === undefined ? problem.message : describeInFile(file, problem)}`);
  }
}
