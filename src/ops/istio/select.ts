import { listOf, textOf } from '../../policy/chain/report';
import type { ImportReport } from '../imports/report';
import { byAge, type Resource } from '../imports/resources';
import { completeHosts, fullName, type Host, isNamed, parseHost, shortName, wildcardFit } from './hosts';

/** From where a call is looked at: what conditions of Istio's mean that a client knows before its first call. */
export interface IstioView {
  /** Rules of these gateways hold: `mesh` for calls from one service to another. */
  readonly gateways: readonly string[];
  /** The port of the service that is called; undefined: not known, and no condition on it holds. */
  readonly port: number | undefined;
}

export const MESH = 'mesh';
const SELECTED_KINDS: readonly string[] = ['VirtualService', 'DestinationRule'];
const MOST_LISTED = 20;
const MORE_SPECIFIC = 'another one has a more specific host, which alone holds, as in Istio';

/** How closely a resource's host fits the service; undefined: not at all. */
type FitOf = (resource: Resource) => number | undefined;

/** Whose rules are wanted, or why that is not plain. */
export type ServiceChoice = { readonly host: Host; readonly shown: string } | { readonly fault: string };

/** Finds the service that the resources have rules for. `wanted`: as a person names it. */
export function chooseService(resources: readonly Resource[], wanted: string | undefined): ServiceChoice {
  const hosts = servicesOf(resources);
  const named = wanted === undefined ? hosts : hosts.filter((host) => isNamed(host, wanted));
  const shown = hosts.map((host) => shortName(host, hosts));
  const [only] = named;
  if (only !== undefined && named.length === 1) return { host: only, shown: shortName(only, hosts) };
  const covering = resources.some((each) => textsOf(each).some((text) => text.includes('*')));
  if (wanted !== undefined && named.length === 0 && covering) {
    const host = parseHost(wanted, undefined);
    if (host !== undefined) return { host, shown: wanted };
  }
  if (hosts.length === 0) {
    const fault = covering ? 'wildcard hosts alone (expected: --service with the name of one)' : 'no host';
    return { fault: wanted === undefined ? fault : `--service: ${wanted} (expected: a service that the rules name)` };
  }
  const list = (named.length > 1 ? named.map((host) => shortName(host, hosts)) : shown).slice(0, MOST_LISTED);
  const more = shown.length > MOST_LISTED ? ', ...' : '';
  const given = wanted === undefined ? `${hosts.length} services` : `--service: ${wanted}`;
  return { fault: `${given} (expected: one of ${list.join(', ')}${more})` };
}

function servicesOf(resources: readonly Resource[]): readonly Host[] {
  const hosts = resources.flatMap(hostsOf);
  const complete = completeHosts(hosts);
  return [...new Map(hosts.map(complete).map((host) => [fullName(host), host])).values()];
}

/** As they are written. */
function textsOf({ kind, spec }: Resource): readonly string[] {
  if (!SELECTED_KINDS.includes(kind)) return [];
  const hosts = kind === 'VirtualService' ? listOf(spec['hosts']) : [spec['host']];
  return hosts.flatMap((host) => textOf(host) ?? []);
}

function hostsOf(resource: Resource): readonly Host[] {
  return textsOf(resource).flatMap((text) => parseHost(text, resource.namespace) ?? []);
}

/** What governs calls to a service: at most one VirtualService in a mesh, and the DestinationRules of its host. */
export interface IstioRules {
  /** Whose rules they are. */
  readonly host: Host;
  readonly services: readonly Resource[];
  readonly destinationRules: readonly Resource[];
  /** VirtualServices without hosts, which others refer to. */
  readonly delegates: readonly Resource[];
  /** Whether a destination's host is the service. */
  isOwn(text: string, namespace: string | undefined): boolean;
  /** A host of Istio as Consul would name its service. */
  hostOf(text: string, namespace: string | undefined): Host | undefined;
}

/**
 * Chooses the resources that govern calls to a host, as Istio does: the most specific host wins, then the oldest; a
 * gateway's rules are not the mesh's. What is left out though it concerns the host is a loss; of what concerns other
 * hosts there is a note. https://istio.io/latest/docs/reference/config/networking/virtual-service/
 */
export function selectRules(
  resources: readonly Resource[],
  host: Host,
  { gateways }: IstioView,
  report: ImportReport,
): IstioRules {
  const complete = completeHosts(resources.flatMap(hostsOf));
  const wanted = fullName(host);
  const hostOf = (text: string, namespace: string | undefined): Host | undefined => {
    const parsed = parseHost(text, namespace);
    return parsed && complete(parsed);
  };
  const fitOf: FitOf = (resource) => {
    const fits = textsOf(resource).flatMap((text) => {
      const named = hostOf(text, resource.namespace);
      if (named !== undefined) return fullName(named) === wanted ? Number.POSITIVE_INFINITY : [];
      return wildcardFit(text, host) ?? [];
    });
    return fits.length === 0 ? undefined : Math.max(...fits);
  };
  const all = resources.filter(({ kind }) => kind === 'VirtualService');
  const delegates = all.filter((each) => textsOf(each).length === 0);
  const fitting = byAge(all).filter((each) => fitOf(each) !== undefined);
  const bound = fitting.filter((each) => isBound(each, gateways));
  const governing = mostSpecific(bound, fitOf);
  const services = gateways.includes(MESH) ? governing.slice(0, 1) : governing;
  for (const resource of fitting) tellLeftOut(resource, services, governing, gateways);
  if (services.length > 1) {
    report.note(
      `${services.map(({ path }) => path).join(', ')}: a gateway joins them in no certain order; here the oldest is first`,
    );
  }
  const rules = resources.filter(({ kind }) => kind === 'DestinationRule');
  const others = [...all.filter((each) => textsOf(each).length > 0), ...rules].filter(
    (each) => fitOf(each) === undefined,
  );
  if (others.length > 0) {
    const names = others
      .slice(0, MOST_LISTED)
      .map(({ path, spec }) => `${path} (${listOf(spec['hosts']).join(', ') || String(spec['host'])})`);
    report.note(`of other hosts, not imported: ${names.join(', ')}${others.length > MOST_LISTED ? ', ...' : ''}`);
  }
  return {
    host,
    services,
    destinationRules: selectDestinationRules(rules, host, fitOf),
    delegates,
    isOwn(text, namespace) {
      const found = hostOf(text, namespace);
      return found !== undefined && fullName(found) === wanted;
    },
    hostOf,
  };
}

/** Of resources whose hosts fit, those whose host fits best. */
function mostSpecific(fitting: readonly Resource[], fitOf: FitOf): readonly Resource[] {
  const best = Math.max(...fitting.map((each) => fitOf(each) ?? 0));
  return fitting.filter((each) => fitOf(each) === best);
}

function tellLeftOut(
  resource: Resource,
  services: readonly Resource[],
  governing: readonly Resource[],
  gateways: readonly string[],
): void {
  const { path, report, spec } = resource;
  if (services.includes(resource)) {
    const others = gatewaysOf(resource).filter((name) => !gateways.includes(name));
    if (others.length > 0)
      report.note(`${path}.spec.gateways`, `calls that come in by ${others.join(', ')} do not pass here`);
    return;
  }
  if (!isBound(resource, gateways)) {
    const names = listOf(spec['gateways']).map(String).join(', ');
    const text = `rules for calls by ${names === '' ? MESH : names} alone; left out, as no call of a Graylane client passes there; --gateway NAME imports those of a gateway`;
    report.cannot(`${path}.spec.gateways`, text);
    return;
  }
  if (!governing.includes(resource)) {
    report.note(`${path}.spec.hosts`, MORE_SPECIFIC);
    return;
  }
  const first = services[0]?.path;
  report.cannot(`${path}.spec.hosts`, `${first} has the host, too, and a mesh follows the oldest alone; left out`);
}

/** Names of gateways, those without a namespace in that of the resource. */
function gatewaysOf({ spec }: Resource): readonly string[] {
  const names = listOf(spec['gateways']).map(String);
  return names.length === 0 ? [MESH] : names;
}

/** Whether rules that name these gateways hold for calls that are looked at. */
function isBound(resource: Resource, gateways: readonly string[]): boolean {
  return namesGateway(gatewaysOf(resource), resource.namespace, gateways);
}

/** `shop/public` of another namespace, `public` of the own one. */
export function namesGateway(
  names: readonly string[],
  namespace: string | undefined,
  wanted: readonly string[],
): boolean {
  return names.some(
    (name) => wanted.includes(name) || (name !== MESH && wanted.includes(`${namespace ?? ''}/${name}`)),
  );
}

/** Rules of the most specific host, and of those the ones in its own namespace where there are any. */
function selectDestinationRules(rules: readonly Resource[], host: Host, fitOf: FitOf): readonly Resource[] {
  const fitting = byAge(rules).filter((each) => fitOf(each) !== undefined);
  const specific = mostSpecific(fitting, fitOf);
  for (const each of fitting) if (!specific.includes(each)) each.report.note(`${each.path}.spec.host`, MORE_SPECIFIC);
  const home = specific.filter(
    ({ namespace }) => namespace === undefined || host.namespace === undefined || namespace === host.namespace,
  );
  const kept = home.length > 0 ? home : specific.filter(({ namespace }) => namespace === specific[0]?.namespace);
  for (const { path, namespace, report } of specific.filter((each) => !kept.includes(each))) {
    report.cannot(
      `${path}.spec.host`,
      `for callers of the namespace ${namespace} alone; left out: a policy holds for all callers`,
    );
  }
  return kept;
}
