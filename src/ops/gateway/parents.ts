import { fieldsOf, listOf, textOf } from '../../policy/chain/report';
import type { Resource } from '../imports/resources';

/** What routes are attached to: a Service between services (GAMMA), or a Gateway. */
export interface Parent {
  readonly kind: 'Service' | 'Gateway';
  readonly name: string;
  /** Undefined: of any namespace. */
  readonly namespace: string | undefined;
}

export interface ParentChoice {
  readonly parent: Parent;
  /** That the policy is for. */
  readonly service: { readonly name: string; readonly namespace: string | undefined };
}

interface ParentRef extends Omit<Parent, 'kind'> {
  readonly kind: string;
  readonly port: unknown;
  readonly sectionName: unknown;
}

/** The parents of a route. Without a kind it is a Gateway. */
function parentsOf({ spec, namespace }: Resource): readonly ParentRef[] {
  return listOf(spec['parentRefs']).map((each) => {
    const fields = fieldsOf(each);
    return {
      kind: textOf(fields['kind']) ?? 'Gateway',
      name: textOf(fields['name']) ?? '',
      namespace: textOf(fields['namespace']) ?? namespace,
      port: fields['port'],
      sectionName: fields['sectionName'],
    };
  });
}

/**
 * Finds whose rules are wanted. `service`: a Service that routes are attached to, `name` or `name.namespace`; with
 * `gateway` the service that the policy is for, by default the first that the Gateway's routes lead to.
 */
export function chooseParent(
  resources: readonly Resource[],
  wanted: { readonly service: string | undefined; readonly gateway: string | undefined },
): ParentChoice | { readonly fault: string } {
  const { service, gateway } = wanted;
  const all = resources.flatMap(parentsOf);
  if (gateway !== undefined) {
    const [last = '', namespace] = gateway.split('/').reverse();
    const parent: Parent = { kind: 'Gateway', name: last, namespace };
    if (!all.some((each) => isParent(each, parent))) {
      return { fault: `--gateway: ${gateway} (expected: one of ${shown(all, 'Gateway')})` };
    }
    const backend = resources
      .filter((each) => parentsOf(each).some((one) => isParent(one, parent)))
      .flatMap(backendsIn)[0];
    const name = service ?? backend;
    if (name === undefined) return { fault: `--gateway: ${gateway} leads to no service (expected: --service)` };
    return { parent, service: { name, namespace: undefined } };
  }
  const services = distinct(all.filter(({ kind }) => kind === 'Service'));
  const [name, namespace] = (service ?? '').split('.');
  const named =
    service === undefined
      ? services
      : services.filter((each) => each.name === name && (namespace === undefined || each.namespace === namespace));
  const [only] = named;
  if (only !== undefined && named.length === 1) {
    return { parent: { kind: 'Service', name: only.name, namespace: only.namespace }, service: only };
  }
  if (services.length === 0) {
    return { fault: `no route of a Service (expected: one, or --gateway with one of ${shown(all, 'Gateway')})` };
  }
  const given = service === undefined ? `${services.length} services` : `--service: ${service}`;
  return { fault: `${given} (expected: one of ${shown(all, 'Service')})` };
}

function backendsIn({ spec }: Resource): readonly string[] {
  const refs = listOf(spec['rules']).flatMap((rule) => listOf(fieldsOf(rule)['backendRefs']));
  return refs.flatMap((each) => textOf(fieldsOf(each)['name']) ?? []);
}

function isParent(each: ParentRef, { kind, name, namespace }: Parent): boolean {
  return each.kind === kind && each.name === name && (namespace === undefined || each.namespace === namespace);
}

function distinct(parents: readonly ParentRef[]): readonly ParentRef[] {
  return [...new Map(parents.map((each) => [`${each.namespace ?? ''}/${each.name}`, each])).values()];
}

function shown(parents: readonly ParentRef[], wanted: Parent['kind']): string {
  const names = distinct(parents.filter(({ kind }) => kind === wanted)).map(({ name, namespace }) => {
    if (namespace === undefined) return name;
    return wanted === 'Service' ? `${name}.${namespace}` : `${namespace}/${name}`;
  });
  return names.length === 0 ? 'none' : names.join(', ');
}

/**
 * The routes of a parent that hold. Those of a Gateway alone are a loss for a Service that they lead to; others are
 * noted.
 */
export function selectRoutes(resources: readonly Resource[], parent: Parent): readonly Resource[] {
  return accepted(attachedRoutes(resources, parent), parent);
}

function attachedRoutes(resources: readonly Resource[], parent: Parent): readonly Resource[] {
  const selected: Resource[] = [];
  for (const resource of resources) {
    const { path, report: own } = resource;
    const parents = parentsOf(resource);
    const mine = parents.find((each) => isParent(each, parent));
    const at = `${path}.spec.parentRefs`;
    if (mine !== undefined) {
      selected.push(resource);
      if (mine.port !== undefined) own.cannot(at, `port ${String(mine.port)}: instances have one port; not looked at`);
      if (mine.sectionName !== undefined)
        own.cannot(at, `${String(mine.sectionName)}: a part of ${parent.name}; here the rules hold for all of it`);
      const others = parents.filter((each) => each !== mine).map(({ kind, name }) => `${kind}/${name}`);
      if (others.length > 0) own.note(at, `calls by ${others.join(', ')} do not pass here`);
    } else if (backendsIn(resource).includes(parent.name) && parents.some(({ kind }) => kind === 'Gateway')) {
      const names = parents.map(({ kind, name }) => `${kind}/${name}`).join(', ');
      own.cannot(at, `${names}: left out, as no call of a Graylane client passes there; --gateway NAME imports them`);
    } else
      own.note(
        at,
        `${parents.map(({ kind, name }) => `${kind}/${name}`).join(', ') || 'none'}: of others, not imported`,
      );
  }
  return selected;
}

/**
 * Routes of one kind alone hold: at a Service the GRPCRoutes, at a Gateway for each host those of the older route.
 * https://gateway-api.sigs.k8s.io/geps/gep-1426/#route-types
 * https://gateway-api.sigs.k8s.io/reference/spec/#grpcroutespec
 */
function accepted(attached: readonly Resource[], { kind, name }: Parent): readonly Resource[] {
  const kept = new Set<Resource>();
  const ordered =
    kind === 'Service' ? [...attached].sort((a, b) => rankOfKind(a) - rankOfKind(b)) : [...attached].sort(olderRoute);
  for (const resource of ordered) {
    const other = [...kept].find(
      (each) => each.kind !== resource.kind && (kind === 'Service' || shareHost(each, resource)),
    );
    if (other === undefined) kept.add(resource);
    else {
      const why = kind === 'Service' ? 'a GRPCRoute goes before other kinds' : 'the older one goes before another kind';
      resource.report.note(
        resource.path,
        `left out, as by the Gateway API: ${other.path} is of ${name}, too, and ${why}`,
      );
    }
  }
  return attached.filter((each) => kept.has(each));
}

function rankOfKind({ kind }: Resource): number {
  return kind === 'GRPCRoute' ? 0 : 1;
}

/** The older route first; of one age by namespace and name. */
export function olderRoute(a: Resource, b: Resource): number {
  const age = (each: Resource): string => each.createdAt ?? '\uFFFF';
  const name = (each: Resource): string => `${each.namespace ?? ''}/${each.name}`;
  return compareTexts(age(a), age(b)) || compareTexts(name(a), name(b));
}

function compareTexts(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Without hostnames a route is for all; `*.example.com` is for all below `example.com`. */
function shareHost(a: Resource, b: Resource): boolean {
  const [first, second] = [a, b].map(({ spec }) => listOf(spec['hostnames']).map(String));
  if (first === undefined || second === undefined || first.length === 0 || second.length === 0) return true;
  const covers = (pattern: string, host: string): boolean =>
    pattern === host || (pattern.startsWith('*.') && host.endsWith(pattern.slice(1)));
  return first.some((one) => second.some((other) => covers(one, other) || covers(other, one)));
}
