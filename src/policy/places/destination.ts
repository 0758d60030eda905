import { peerPlace } from '../../base/instances';
import type { DestinationDocument, PolicyDocument } from '../document';
import { type Destination, LOCAL_PLACE } from '../plan';

/** A destination as a document has it, with the document's own service left out. */
export interface WrittenDestination {
  /** Another service than the document's; undefined: its own. */
  readonly service: string | undefined;
  /** Undefined: the default subset, of the policy or of the other service's. */
  readonly subset: string | undefined;
  /** The one place that it is pinned to, as tiers name it: a datacenter, or `peer name`. */
  readonly place: string | undefined;
  /** The own subset that serves when the other service cannot. */
  readonly fallback?: string;
}

/** `own`: the service of the document. `{ service: own }` means the same as no service. */
export function readDestination(to: DestinationDocument, own: string): WrittenDestination {
  if (typeof to === 'string') return { service: undefined, subset: to, place: undefined };
  const { service, subset, datacenter, peer, fallback } = to;
  return {
    ...(fallback !== undefined && { fallback }),
    service: service === own ? undefined : service,
    subset,
    place: peer === undefined ? datacenter : peerPlace(peer),
  };
}

/** Stands for the default subset of another service whose name is that of an own subset. No subset can have it. */
const DEFAULT_OF_SERVICE = '*';

/**
 * What plans, reports and telemetry call the subset of a destination: `canary` of the policy itself, `payments-v2` and
 * `payments-v2/canary` of another service; `canary/*` of a service that is called as an own subset is. The names of own
 * subsets have no `/`.
 */
export function subsetName(
  { service, subset }: WrittenDestination,
  { subsets = {}, default: base }: OwnSubsets,
): string {
  if (service === undefined) return subset ?? base ?? Object.keys(subsets)[0] ?? DEFAULT_OF_SERVICE;
  if (subset !== undefined) return `${service}/${subset}`;
  return Object.hasOwn(subsets, service) ? `${service}/${DEFAULT_OF_SERVICE}` : service;
}

/** What a document says of its own subsets. */
export interface OwnSubsets {
  readonly subsets?: Readonly<Record<string, unknown>> | undefined;
  readonly default?: string | undefined;
}

/** The name of an own subset, where a document has nothing else; undefined for an object. */
export function plainName(to: DestinationDocument | undefined): string | undefined {
  return typeof to === 'string' ? to : undefined;
}

/** The name with the place, which tells two entries of a split apart: `canary in dc2`, `payments-v2 in peer cloud`. */
export function nameAtPlace(name: string, place: string | undefined): string {
  return place === undefined ? name : `${name} in ${place}`;
}

/** The same of a plan's destination. */
export function destinationName({ subset, places }: Pick<Destination, 'subset' | 'places'>): string {
  const first = places?.[0]?.[0];
  return nameAtPlace(subset, first === LOCAL_PLACE ? undefined : first);
}

/** The same without its document: `payments-v2`, `canary in dc2`, `default in peer cloud`. */
export function describeWritten(to: DestinationDocument): string {
  if (typeof to === 'string') return to;
  const { service, subset, datacenter, peer } = to;
  const name = [service, subset].filter((part) => part !== undefined).join('/');
  return nameAtPlace(name === '' ? 'default' : name, peer === undefined ? datacenter : peerPlace(peer));
}

/** A destination in one word or a few, for people: `canary`, `payments-v2/canary`, `canary in dc2`. */
export function describeDestination(
  to: DestinationDocument,
  document: OwnSubsets & { readonly service: string },
): string {
  const written = readDestination(to, document.service);
  return nameAtPlace(subsetName(written, document), written.place);
}

/** Everything that a document calls a destination, with where it stands: `routes[0].split[1].to`. */
export function destinationsIn({ subsets = {}, routes = [], override }: PolicyDocument): readonly PlacedDestination[] {
  const all: PlacedDestination[] = [];
  for (const [name, { fallback }] of Object.entries(subsets)) {
    if (fallback !== undefined) all.push({ path: `subsets.${name}.fallback`, to: fallback });
  }
  for (const [index, { to, split = [], mirror }] of routes.entries()) {
    if (to !== undefined) all.push({ path: `routes[${index}].to`, to });
    if (mirror !== undefined) all.push({ path: `routes[${index}].mirror.to`, to: mirror.to });
    for (const [at, entry] of split.entries()) all.push({ path: `routes[${index}].split[${at}].to`, to: entry.to });
  }
  if (override?.to !== undefined) all.push({ path: 'override.to', to: override.to });
  return all;
}

/** By the name that a plan has for a subset the first place where the document sends calls to it. */
export function destinationPaths(document: PolicyDocument): ReadonlyMap<string, string> {
  const paths = new Map<string, string>();
  for (const { path, to } of destinationsIn(document)) {
    const name = subsetName(readDestination(to, document.service), document);
    if (!paths.has(name)) paths.set(name, path);
  }
  return paths;
}

interface PlacedDestination {
  readonly path: string;
  readonly to: DestinationDocument;
}
