import type { ImportReport } from '../../imports/report';
import type { Resource } from '../../imports/resources';
import { importArgo } from './argo';
import type { ImportedRollout, SubsetNames } from './draft';
import { importCanary } from './flagger';

/** What becomes a rollout. */
const ROLLOUT_KINDS: readonly string[] = ['Canary', 'Rollout'];
/** What they may name. */
const NAMED_KINDS: readonly string[] = [
  ...['MetricTemplate', 'AlertProvider', 'AnalysisTemplate', 'ClusterAnalysisTemplate'],
];

/** What Flagger and Argo fill in themselves, in queries and arguments. */
export const PLACEHOLDERS: RegExp =
  /\{\{-?\s*(?:(?:args|inputs|variables)\.[\w.-]+|name|namespace|target|service|ingress|route|interval)\s*-?\}\}/g;

/** The resources that an import looks at. */
export function isOfRollout({ kind }: Resource): boolean {
  return ROLLOUT_KINDS.includes(kind) || NAMED_KINDS.includes(kind);
}

/** The one to import: of that name, or the only one. */
export function chooseRollout(
  resources: readonly Resource[],
  name: string | undefined,
): { readonly rollout: Resource } | { readonly fault: string } {
  const all = resources.filter(({ kind }) => ROLLOUT_KINDS.includes(kind));
  const named = all.filter(
    (each) => name === undefined || each.name === name || `${each.namespace}/${each.name}` === name,
  );
  const [rollout, ...others] = named;
  if (rollout !== undefined && others.length === 0) return { rollout };
  const found = (rollout === undefined ? all : named).map(({ path }) => path).join(', ');
  if (all.length === 0) return { fault: 'no Canary and no Rollout (expected: one at least)' };
  return { fault: `${rollout === undefined ? `none named ${name}` : `${named.length} of them`} (found: ${found})` };
}

/** A Canary of Flagger or a Rollout of Argo, with what it names of the other resources, as a rollout. Pure. */
export function importRollout(
  rollout: Resource,
  resources: readonly Resource[],
  subsets: SubsetNames,
  report: ImportReport,
): ImportedRollout {
  const read = rollout.kind === 'Canary' ? importCanary : importArgo;
  return read(rollout, resources, subsets, report);
}
