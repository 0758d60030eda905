import { isRecord } from '../../base/is-record';
import { type Fields, fieldsOf, textOf } from '../../policy/chain/report';
import { type DocumentPath, PositionIndex } from '../../policy/problems';
import type { ImportReport, PlaceReport } from '../imports/report';
import { type FoundObject, objectsIn } from '../imports/resources';
import { plainKey, readSources, type SourceDocument, type SourceText } from '../imports/sources';
import { canonical, SHAPES } from './fields';
import { HclError, parseHcl } from './hcl';

/** A config entry of Consul, under the names of Consul's API. */
export interface ConfigEntry {
  /** `service-router`. */
  readonly kind: string;
  readonly name: string;
  readonly fields: Fields;
  /** How messages name it: `service-router/payments`. */
  readonly path: string;
  /** For what concerns its fields. */
  readonly report: PlaceReport;
}

/** Entries of these kinds by their spelling in custom resources: `ServiceRouter`. */
const KINDS: ReadonlyMap<string, string> = new Map(
  Object.keys(SHAPES).map((kind) => [plainKey(kind.replaceAll('-', '')), kind]),
);

/**
 * Reads config entries from HCL, JSON and YAML: entries as `consul config write` takes them, lists of them as the API
 * gives them, `config_entries` of an agent's configuration, custom resources of Kubernetes. What Consul would refuse of
 * their structure is a loss; entries of other kinds are noted.
 */
export function readEntries(texts: readonly SourceText[], report: ImportReport): readonly ConfigEntry[] {
  const isHcl = ({ file, text }: SourceText): boolean => /\.hcl$/i.test(file) || /^\s*"?kind"?\s*=/im.test(text);
  const { documents, faults } = readSources(texts.filter((text) => !isHcl(text)));
  for (const fault of faults) report.fault(fault);
  const all = [...texts.filter(isHcl).flatMap((text) => readHcl(text, report)), ...documents];
  const entries = all
    .flatMap((source) => entriesIn(source.value, source, []))
    .flatMap((found) => entryOf(found, report) ?? []);
  const seen = new Set<string>();
  return entries.filter(({ path, report: own }) => {
    if (!seen.has(path)) return seen.add(path);
    own.cannot(path, 'given twice (expected: once); the first holds');
    return false;
  });
}

function readHcl({ file, text }: SourceText, report: ImportReport): readonly SourceDocument[] {
  const positions = new PositionIndex(text);
  try {
    const { value, offsets } = parseHcl(text);
    positions.add([], 0);
    for (const [path, offset] of offsets) positions.add(plainPath(JSON.parse(path) as DocumentPath), offset);
    const locate: SourceDocument['locate'] = (path) => positions.locate(plainPath(path));
    return [{ file, document: 1, value, locate, writtenAt: () => undefined }];
  } catch (error) {
    if (!(error instanceof HclError)) throw error;
    const message = `${error.message}; not read as HCL: consul config read gives an entry as JSON, which is always read`;
    positions.add([], error.offset);
    report.fault({ file, document: 1, message, ...positions.locate([]) });
    return [];
  }
}

function plainPath(path: DocumentPath): DocumentPath {
  return path.map((part) => (typeof part === 'number' ? part : plainKey(part)));
}

function entriesIn(value: unknown, source: SourceDocument, root: DocumentPath): readonly FoundObject[] {
  return objectsIn(value, source, root).flatMap((found) => {
    const bootstrap = fieldsOf(found.value['config_entries'])['bootstrap'];
    return bootstrap === undefined
      ? [found]
      : entriesIn(bootstrap, source, [...found.root, 'config_entries', 'bootstrap']);
  });
}

function entryOf({ value, source, root }: FoundObject, report: ImportReport): ConfigEntry | undefined {
  const given = textOf(value['Kind']) ?? textOf(value['kind']);
  const kind = KINDS.get(plainKey((given ?? '').replaceAll('-', '')));
  const isResource = isRecord(value['spec']) && value['metadata'] !== undefined;
  const metadata = fieldsOf(value['metadata']);
  const name = textOf(isResource ? metadata['name'] : (value['Name'] ?? value['name'])) ?? '';
  const shape = kind === undefined ? undefined : SHAPES[kind];
  if (kind === undefined || shape === undefined) {
    report.note(`not looked at: ${given ?? 'no kind'}/${name === '' ? 'no name' : name}`);
    return undefined;
  }
  const path = `${kind}/${name === '' ? 'no name' : name}`;
  const own = report.of(source, path, isResource ? [...root, 'spec'] : root);
  if (name === '') own.cannot(`${path}.Name`, 'missing (expected: the name of the service); left out');
  if (name === '') return undefined;
  const knownByConsul = kind !== 'service-defaults' && kind !== 'proxy-defaults';
  const fields = canonical(isResource ? value['spec'] : value, shape, (at) => {
    if (knownByConsul) own.cannot(`${path}${at}`, 'refused by Consul: no such field');
  });
  return { kind, name, fields: { ...fieldsOf(fields), Kind: kind, Name: name }, path, report: own };
}
