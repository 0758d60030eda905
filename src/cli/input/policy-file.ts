import { readFile } from 'node:fs/promises';
import { isRecord } from '../../base/is-record';
import type { PolicyDocument } from '../../policy/document';
import { type ParsedText, parsePolicyText, parsePolicyTexts } from '../../policy/parse-text';
import { ownValue } from '../../policy/plain-data';
import type { PolicyProblem } from '../../policy/plan';
import type { Positions } from '../../policy/problems';
import { judgeDocument } from '../../policy/validate';
import { CommandError } from '../command-error';

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
export async function readDocuments(file: string, expectedService?: string): Promise<readonly PolicyFile[]> {
  const parsed = parsePolicyTexts(await readBytes(file), formatOf(file));
  return parsed.map((each) => judgeParsed(file, each, expectedService));
}

function formatOf(file: string): 'json' | 'yaml' {
  return file.toLowerCase().endsWith('.json') ? 'json' : 'yaml';
}

function judgeParsed(file: string, parsed: ParsedText, expectedService: string | undefined): PolicyFile {
  if (parsed.value === undefined) {
    const { problems } = parsed;
    return { file, service: undefined, document: undefined, problems, warnings: [], positions: undefined };
  }
  const named = isRecord(parsed.value) ? ownValue(parsed.value, 'service') : undefined;
  const service = typeof named === 'string' && named !== '' ? named : undefined;
  const judged = judgeDocument(parsed.value, {
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
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
    throw new CommandError(2, `${file}: ${code} (expected: a file that can be read)`, 'check its name');
  }
}
