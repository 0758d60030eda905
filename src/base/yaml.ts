import { CORE_SCHEMA, constructFromEvents, dump, mergeTag, parseEvents, YAMLException } from 'js-yaml';
import { readNodes, YamlError, type YamlNode } from './yaml-nodes';
import { yamlSlip } from './yaml-slips';

/** Lists and objects inside one another that the parser follows. */
const MAX_DEPTH = 200;

export interface YamlDocument {
  readonly value: unknown;
  readonly root: YamlNode;
}

export interface YamlOptions {
  /** `<<` lays the entries of other objects under those of its own. Default: false, it is a key like any other. */
  readonly merge?: boolean;
  /** A key that is given twice is an error. Default: true; else the last one is taken. */
  readonly uniqueKeys?: boolean;
  /** Values that aliases may stand for in all: those inside aliases multiply. Default: 10,000. */
  readonly mostAliased?: number;
}

/** What parts documents, at the beginning of a line: nothing else may stand there, in a text of several lines either. */
export const DOCUMENT_SEPARATOR: RegExp = /^---(?=\s|$)/m;

/** Whether nothing stands there but comments, directives and ends of documents. */
export function isBlankYaml(text: string): boolean {
  return text.split('\n').every((line) => /^\s*(?:#.*|\.\.\.\s*|%[A-Z]+ .*)?$/.test(line));
}

/**
 * Reads YAML 1.2 with its core schema (`off` and dates stay text), which JSON is a part of: the one document of the
 * text, null where nothing but comments stand. Keys are text, as they are written. Throws a {@link YamlError} for the
 * first thing that is wrong, with what was most likely meant. What it costs grows with the text, whatever stands in it.
 */
export function readYaml(text: string, options: YamlOptions = {}): YamlDocument {
  const { merge = false, uniqueKeys = true, mostAliased = 10_000 } = options;
  try {
    const events = parseEvents(text, { maxDepth: MAX_DEPTH });
    const root = readNodes(text, events, { merge, mostAliased });
    const [value = null] = constructFromEvents(events, {
      source: text,
      schema: merge ? CORE_SCHEMA.withTags(mergeTag) : CORE_SCHEMA,
      json: !uniqueKeys,
    });
    return { value, root };
  } catch (error) {
    if (error instanceof YAMLException) throw withSlip(error.reason, text, error.mark?.position ?? 0);
    if (error instanceof YamlError) throw withSlip(error.message, text, error.offset);
    throw error;
  }
}

function withSlip(reason: string, text: string, offset: number): YamlError {
  const slip = yamlSlip(text, offset);
  return new YamlError(slip === undefined ? reason : `${reason}; ${slip}`, offset);
}

/** Plain data as YAML that people read; text that another version of YAML would take for something else is quoted. */
export function writeYaml(value: unknown): string {
  return dump(value, { lineWidth: 120, noRefs: true, quoteStyle: 'double', skipInvalid: true });
}
