import { defined } from '../../base/defined';
import type { PolicyDocument } from '../../policy/document';
import { ALL_INSTANCES } from '../../policy/plan';
import { type ImportLoss, ImportReport } from '../imports/report';
import type { Resource } from '../imports/resources';
import { isPlain, mainTarget, RouteNames, reachableRoutes, soundDocument } from '../imports/sound';
import type { Host } from './hosts';
import { importRoutes } from './routes';
import { DestinationRules, type LabelsAs } from './rules';
import { type IstioView, MESH, selectRules } from './select';

export interface ImportIstioOptions extends Partial<IstioView> {
  /** The service, as {@link chooseService} found it. */
  readonly host: Host;
  readonly labelsAs: LabelsAs;
  /** When faults end, RFC 3339. Default: they are told and left out, since a fault of a policy always ends. */
  readonly faultUntil?: string | undefined;
  /** Where losses go; with those of reading the resources. */
  readonly report?: ImportReport;
}

export interface ImportedIstio {
  readonly document: PolicyDocument;
  /** Every field that is not in the document, by its place. */
  readonly losses: readonly ImportLoss[];
  readonly notes: readonly string[];
  /** The rule that each route comes from, by the names of the routes. */
  readonly rules: ReadonlyMap<string, string>;
}

/** VirtualServices and DestinationRules of one service as a policy document. Pure. */
export function importIstio(resources: readonly Resource[], options: ImportIstioOptions): ImportedIstio {
  const { host, labelsAs, gateways = [MESH], port, faultUntil, report = new ImportReport() } = options;
  const view: IstioView = { gateways, port };
  const selected = selectRules(resources, host, view, report);
  const rules = new DestinationRules(selected.destinationRules, labelsAs);
  const names = new RouteNames();
  const context = { selected, rules, view, names, faultUntil };
  const imported = selected.services.flatMap((resource) => importRoutes(resource, context));
  const routes = reachableRoutes(
    imported.map(({ route }) => route),
    report,
  );
  const last = routes.at(-1);
  const isTotal = last !== undefined && last.match === undefined;
  const base = isTotal ? mainTarget(last) : undefined;
  if (!isTotal && selected.services.length > 0) {
    const text = 'every instance, for calls that no route matches; Istio answers them with 404';
    report.loss(undefined, 'default', [], text);
  }
  if (routes.some(({ retry }) => retry === undefined)) {
    report.note('routes without retries: Istio retries them twice, a policy only where it says retry');
  }
  const fallback = rules.subsets.size === 0 ? undefined : (base ?? rules.all());
  const kept = last !== undefined && isPlain(last) ? routes.slice(0, -1) : routes;
  const { subsets, balancing, breaker } = rules;
  const document: PolicyDocument = {
    schema: 1,
    service: host.name,
    ...(subsets.size === 0 ? {} : { subsets: Object.fromEntries(subsets), default: fallback ?? ALL_INSTANCES }),
    ...(kept.length === 0 ? {} : { routes: kept }),
    ...defined({ balancing, breaker }),
  };
  return {
    document: soundDocument(document, report),
    losses: report.losses,
    notes: report.notes,
    rules: new Map(imported.map(({ route, from }) => [route.name, from])),
  };
}
