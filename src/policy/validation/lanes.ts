import { LANE_META, laneDimensions } from '../lanes/lane-plan';
import { type DocumentPath, note, type ProblemList } from '../problems';
import type { CheckedPolicy } from './checked';
import { checkLabelKey } from './matches';
import { checkTime } from './values';

/** What a schema cannot say of lanes. Whether a `fallback` exists is checked with all other names. */
export function checkLanes(document: CheckedPolicy, problems: ProblemList, warnings: ProblemList): void {
  const dimensions = dimensionsOf(document);
  const labels = new Map<string, DocumentPath>();
  const metas = new Map<string, DocumentPath>();
  for (const { written, path } of dimensions) {
    const { by, meta = LANE_META, fallback, strict, ends = {} } = written;
    checkLabelKey(by, [...path, 'by'], problems);
    if (by !== undefined) checkOnce(labels, by.toLowerCase(), [...path, 'by'], 'a label of its own', problems);
    checkOnce(metas, meta, [...path, 'meta'], 'a key of its own', problems);
    if (strict === true && fallback !== undefined) {
      warnings.report([...path, 'fallback'], fallback, 'nothing beside strict: true, under which calls fail instead');
    }
    for (const [lane, end] of Object.entries(ends)) checkTime(end, [...path, 'ends', lane], problems);
  }
  warnOfSubsets(document, new Set(metas.keys()), warnings);
}

/** The dimensions of a document, with the places where they stand. */
export function dimensionsOf(
  document: CheckedPolicy,
): readonly { readonly written: Dimension; readonly path: DocumentPath }[] {
  const { lanes } = document;
  if (lanes === undefined) return [];
  if (!Array.isArray(lanes)) return [{ written: lanes as Dimension, path: ['lanes'] }];
  return laneDimensions({ lanes: lanes as never }).flatMap((written, at) =>
    written === undefined ? [] : [{ written: written as Dimension, path: ['lanes', at] }],
  );
}

type Dimension = {
  readonly by?: string | undefined;
  readonly meta?: string | undefined;
  readonly fallback?: string | undefined;
  readonly strict?: boolean | undefined;
  readonly ends?: Readonly<Record<string, string | undefined>> | undefined;
};

function checkOnce(
  seen: Map<string, DocumentPath>,
  value: string,
  path: DocumentPath,
  expected: string,
  problems: ProblemList,
): void {
  const first = seen.get(value);
  if (first === undefined) seen.set(value, path);
  else problems.report(path, value, `${expected}; lanes[${String(first[1])}] has this one`);
}

/** A subset of the instances with a lane is empty, since these are in their lanes alone. */
function warnOfSubsets(
  { subsets = {}, lanes }: CheckedPolicy,
  metas: ReadonlySet<string>,
  warnings: ProblemList,
): void {
  for (const [name, subset] of Object.entries(subsets)) {
    const path = ['subsets', name];
    if (lanes === undefined) {
      if (subset?.lanes !== undefined) warnings.report([...path, 'lanes'], subset.lanes, 'lanes beside the subsets');
      continue;
    }
    if (subset?.lanes === 'include') continue;
    const key = Object.keys(subset?.meta ?? {}).find((each) => metas.has(each) && subset?.meta?.[each] !== '');
    const tag = (subset?.tags ?? []).find((each) => each?.includes('=') && metas.has(each.split('=')[0] ?? ''));
    const expected =
      'lanes: include beside it, or calls by the label: instances in a lane are in no subset, so it is empty';
    if (key !== undefined) warnings.report([...path, 'meta', key], subset?.meta?.[key], expected);
    else if (tag !== undefined) warnings.report([...path, 'tags'], note(tag), expected);
  }
}
