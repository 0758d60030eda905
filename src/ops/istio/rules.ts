import { defined } from '../../base/defined';
import { showValue } from '../../base/shorten';
import { listOf, textOf } from '../../policy/chain/report';
import type { BalancingDocument, BreakerDocument, SubsetDocument } from '../../policy/document';
import { ALL_INSTANCES } from '../../policy/plan';
import { SHORT_NAME } from '../../policy/schema-parts';
import type { PlaceReport } from '../imports/report';
import { entriesOf, type Resource } from '../imports/resources';
import { importTraffic } from './traffic';

const RULE: readonly string[] = ['host', 'subsets', 'trafficPolicy', 'exportTo'];
const SUBSET: readonly string[] = ['name', 'labels', 'trafficPolicy'];

/** What a subset's labels are in Consul: meta of the same key and value, or tags that are their values. */
export type LabelsAs = 'meta' | 'tags';

/**
 * The DestinationRules of one host: subsets by name, in the order of the files, and how they are balanced. Several are
 * joined as Istio joins them: the first subset of a name, and the first traffic policy whole.
 */
export class DestinationRules {
  readonly subsets: Map<string, SubsetDocument> = new Map();
  readonly balancing: BalancingDocument | undefined;
  readonly breaker: BreakerDocument | undefined;

  constructor(resources: readonly Resource[], labelsAs: LabelsAs) {
    let governing: Resource | undefined;
    for (const resource of resources) {
      const { path, spec, report } = resource;
      report.read(spec, `${path}.spec`, RULE, {
        workloadSelector: 'for callers with these labels alone; here it holds for all of them',
      });
      tellNamespaces(spec['exportTo'], `${path}.spec.exportTo`, report);
      const policy = spec['trafficPolicy'];
      if (policy !== undefined && policy !== null) {
        if (governing === undefined) {
          governing = resource;
          const traffic = importTraffic(policy, `${path}.spec.trafficPolicy`, report);
          this.balancing = traffic.balancing;
          this.breaker = traffic.breaker;
        } else {
          report.cannot(
            `${path}.spec.trafficPolicy`,
            `${governing.path} has one, which alone holds, as in Istio; left out`,
          );
        }
      }
      for (const [index, each] of listOf(spec['subsets']).entries()) {
        this.#add(each, `${path}.spec.subsets[${index}]`, report, labelsAs);
      }
    }
  }

  #add(value: unknown, at: string, report: PlaceReport, labelsAs: LabelsAs): void {
    const fields = report.read(value, at, SUBSET);
    const name = textOf(fields['name']) ?? '';
    if (!SHORT_NAME.test(name) || this.subsets.has(name)) {
      const expected = this.subsets.has(name)
        ? 'a name of its own; the first holds'
        : 'a name of letters, digits, _ . -';
      report.cannot(`${at}.name`, `${showValue(name)} (expected: ${expected}); left out`);
      return;
    }
    const { breaker, balancing } = importTraffic(fields['trafficPolicy'], `${at}.trafficPolicy`, report, true);
    const algorithm = balancing?.algorithm;
    const own = algorithm && { algorithm, ...defined({ hashBy: balancing?.hashBy }) };
    const members = membersOf(fields['labels'], `${at}.labels`, report, labelsAs);
    if (members === undefined) report.cannot(at, 'left out, and with it the destinations that lead to it');
    else this.subsets.set(name, { ...members, ...defined({ balancing: own, breaker }) });
  }

  /** The name of a destination's subset in the document. Undefined, and told, when no DestinationRule has it. */
  nameOf(subset: string | undefined, path: string, report: PlaceReport): string | undefined {
    if (subset !== undefined) {
      if (this.subsets.has(subset)) return subset;
      report.cannot(path, `${subset} is in no DestinationRule of the files; left out`);
      return undefined;
    }
    return this.all();
  }

  /** The subset of every instance: made where there are others, and none is it. */
  all(): string {
    if (this.subsets.size === 0) return ALL_INSTANCES;
    const known = [...this.subsets].find(([, subset]) => Object.keys(subset).length === 0);
    const name = known?.[0] ?? (this.subsets.has('all') ? 'all-instances' : 'all');
    if (known === undefined) this.subsets.set(name, {});
    return name;
  }
}

/** The labels of a subset as conditions on Consul's instances. Undefined, and told, where one cannot be said. */
function membersOf(value: unknown, path: string, report: PlaceReport, labelsAs: LabelsAs): SubsetDocument | undefined {
  const labels: (readonly [string, string])[] = [];
  for (const [key, given] of entriesOf(value)) {
    const at = `${path}.${key}`;
    const written = typeof given === 'string' ? given : report.written(at, given);
    if (typeof given === 'object') {
      report.cannot(at, `${showValue(given)} (expected: a text)`);
      return undefined;
    }
    if (typeof given !== 'string')
      report.cannot(at, `${written} (expected: a text, "${written}" in quotes); taken for it`);
    if (written === '' && labelsAs === 'tags') {
      report.cannot(at, 'an empty value is no tag');
      return undefined;
    }
    labels.push([key, written]);
  }
  if (labels.length === 0) return {};
  if (labelsAs === 'meta') return { meta: Object.fromEntries(labels) };
  return { tags: [...new Set(labels.map(([, each]) => each))] };
}

/** What only some namespaces see: a policy is read by all of them. */
export function tellNamespaces(value: unknown, path: string, report: PlaceReport): void {
  const names = listOf(value).map(String);
  if (names.length === 0 || names.includes('*')) return;
  report.cannot(path, `${names.join(', ')}; a policy holds for callers of every namespace`);
}
