import type { Document, Node } from 'yaml';
import { loadYaml } from '../base/lazy-modules';
import { MAX_DEPTH } from './limits';
import { type DocumentPath, note, type PositionIndex, type ProblemList } from './problems';

/** Nodes that aliases may stand for in all; beyond it a document is taken for one that explodes. */
const MAX_ALIASED_NODES = 100;

/** One mistake causes many errors: those after the first few do not help. */
const FAULTS_TOLD = 5;

const OPTIONS = {
  version: '1.2',
  schema: 'core',
  merge: false,
  stringKeys: true,
  // Found below, in linear time and with the path.
  uniqueKeys: false,
  prettyErrors: false,
  // Not 'silent', which would also pass over a second document.
  logLevel: 'error',
} as const;

/** Reads YAML 1.2 (core schema: `off` and dates stay text). Undefined after a syntax error, which is reported. */
export function parseYaml(text: string, positions: PositionIndex, problems: ProblemList): unknown {
  return guarded(problems, () => readDocument(loadYaml().parseDocument(text, OPTIONS), positions, problems));
}

/** Where the parts of one document of a stream go. */
interface StreamPlace {
  readonly positions: PositionIndex;
  readonly problems: ProblemList;
}

/**
 * The same of a text that may hold several documents, parted by `---`. `place` is called for each of them that is not
 * blank, and once where there is none. Gives what each call gave, with the value.
 */
export function parseYamlStream<P extends StreamPlace>(
  text: string,
  place: () => P,
): readonly { readonly place: P; readonly value: unknown }[] {
  let documents: readonly Document.Parsed[];
  try {
    documents = loadYaml().parseAllDocuments(text, OPTIONS);
  } catch {
    documents = [];
  }
  const filled = documents.filter(({ contents, errors }) => errors.length > 0 || !isBlank(contents));
  if (filled.length === 0) {
    const only = place();
    return [{ place: only, value: parseYaml(text, only.positions, only.problems) }];
  }
  return filled.map((document) => {
    const here = place();
    const value = guarded(here.problems, () => readDocument(document, here.positions, here.problems));
    return { place: here, value };
  });
}

/** Nothing stands there, or comments alone: what `---` before or after a document leaves. */
function isBlank(contents: unknown): boolean {
  return contents === null || (loadYaml().isScalar(contents) && contents.value === null && contents.source === '');
}

function guarded(problems: ProblemList, read: () => unknown): unknown {
  try {
    return read();
  } catch (error) {
    // The parser recurses, so what is nested without end ends its stack; aliases that explode throw here too.
    problems.report([], note('not YAML'), `YAML 1.2; ${error instanceof Error ? error.message : 'syntax error'}`);
    return undefined;
  }
}

function readDocument(document: Document.Parsed, positions: PositionIndex, problems: ProblemList): unknown {
  const faults = [...document.errors, ...document.warnings];
  for (const fault of faults.slice(0, FAULTS_TOLD)) {
    positions.add([], fault.pos[0]);
    problems.report([], note('not YAML'), `YAML 1.2; ${fault.message}`);
  }
  if (faults.length > 0) return undefined;
  indexNode(document.contents, [], positions, problems);
  return document.toJS({ maxAliasCount: MAX_ALIASED_NODES });
}

function indexNode(node: unknown, path: DocumentPath, positions: PositionIndex, problems: ProblemList): void {
  const { isAlias, isMap, isScalar, isSeq } = loadYaml();
  if (path.length > MAX_DEPTH || isAlias(node)) return;
  if (path.length === 0) positions.add(path, startOf(node) ?? 0);
  if (isScalar(node) && typeof node.value === 'number' && node.source !== String(node.value)) {
    positions.addWritten(path, node.source ?? '');
  }
  if (isMap(node)) {
    const keys = new Set<string>();
    for (const pair of node.items) {
      const key = isScalar(pair.key) ? String(pair.key.value) : '';
      const entryPath = [...path, key];
      const start = startOf(pair.key);
      if (start !== undefined) positions.add(entryPath, start);
      if (keys.has(key)) problems.report(entryPath, note('given twice'), 'each key once');
      keys.add(key);
      indexNode(pair.value, entryPath, positions, problems);
    }
  }
  if (isSeq(node)) {
    for (const [index, item] of node.items.entries()) {
      const itemPath = [...path, index];
      const start = startOf(item);
      if (start !== undefined) positions.add(itemPath, start);
      indexNode(item, itemPath, positions, problems);
    }
  }
}

function startOf(node: unknown): number | undefined {
  return (node as Partial<Node> | null | undefined)?.range?.[0];
}
