import { isRecord } from '../../base/is-record';
import { type Fields, fieldsOf, listOf, textOf } from '../../policy/chain/report';
import type { DocumentPath } from '../../policy/problems';
import type { ImportReport, PlaceReport } from './report';
import { inShape } from './shapes';
import type { SourceDocument } from './sources';

/** An object of Kubernetes: of Istio, of the Gateway API or of Consul's own definitions. */
export interface Resource {
  readonly kind: string;
  /** `networking.istio.io/v1`; empty where the text has none. */
  readonly apiVersion: string;
  /** How messages name it: `VirtualService/payments`, or `VirtualService/shop/payments` where two have the name. */
  readonly path: string;
  readonly name: string;
  readonly namespace: string | undefined;
  /** RFC 3339; undefined for one that was not read from a cluster. */
  readonly createdAt: string | undefined;
  readonly spec: Fields;
  /** For losses within it. */
  readonly report: PlaceReport;
}

/** An object in a text, and where it stands in its document. */
export interface FoundObject {
  readonly value: Fields;
  readonly source: SourceDocument;
  readonly root: DocumentPath;
}

/**
 * The objects of some documents, in order; a `List` counts as its items. What has not the shape of its kind is told and
 * left out.
 */
export function readResources(documents: readonly SourceDocument[], report: ImportReport): readonly Resource[] {
  const found = documents.flatMap((source) => objectsIn(source.value, source, []));
  const names = new Map<string, Set<string>>();
  const short = ({ value }: FoundObject): string => {
    const { name } = fieldsOf(value['metadata']);
    return `${textOf(value['kind']) ?? 'no kind'}/${textOf(name) ?? 'no name'}`;
  };
  const namespaceOf = ({ value }: FoundObject): string | undefined => textOf(fieldsOf(value['metadata'])['namespace']);
  for (const each of found) {
    const key = short(each);
    names.set(key, (names.get(key) ?? new Set()).add(namespaceOf(each) ?? ''));
  }
  return found.map((each): Resource => {
    const { value, source, root } = each;
    const metadata = fieldsOf(value['metadata']);
    const namespace = namespaceOf(each);
    const key = short(each);
    const isAmbiguous = (names.get(key)?.size ?? 0) > 1;
    const path = isAmbiguous ? key.replace('/', `/${namespace ?? 'no namespace'}/`) : key;
    const kind = textOf(value['kind']) ?? '';
    const own = report.of(source, path, root);
    return {
      kind,
      apiVersion: textOf(value['apiVersion']) ?? '',
      path,
      name: textOf(metadata['name']) ?? '',
      namespace,
      createdAt: textOf(metadata['creationTimestamp']),
      spec: inShape(kind, value['spec'], `${path}.spec`, own),
      report: own,
    };
  });
}

/** The objects of a value: itself, or those of its items where it is a list, also one of Kubernetes. */
export function objectsIn(value: unknown, source: SourceDocument, root: DocumentPath): readonly FoundObject[] {
  if (Array.isArray(value)) return value.flatMap((item, index) => objectsIn(item, source, [...root, index]));
  if (!isRecord(value)) return [];
  const isList = textOf(value['kind'])?.endsWith('List') === true && Array.isArray(value['items']);
  if (!isList) return [{ value, source, root }];
  return listOf(value['items']).flatMap((item, index) => objectsIn(item, source, [...root, 'items', index]));
}

/** The oldest first; those without a time keep their order, after those with one. */
export function byAge<T extends Pick<Resource, 'createdAt'>>(resources: readonly T[]): readonly T[] {
  const LATEST = '\uFFFF';
  return [...resources].sort((a, b) => {
    const [one, other] = [a.createdAt ?? LATEST, b.createdAt ?? LATEST];
    return one < other ? -1 : one > other ? 1 : 0;
  });
}

/** Own fields, whatever their names. */
export function entriesOf(value: unknown): readonly (readonly [string, unknown])[] {
  return isRecord(value) ? Object.entries(value) : [];
}
