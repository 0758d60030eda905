/** A host of Istio, as its resources name it. */
export interface Host {
  /** The service in a cluster; the whole host elsewhere. */
  readonly name: string;
  /** Undefined outside of a cluster, and where neither the host nor its resource says. */
  readonly namespace: string | undefined;
  /** `cluster.local` where the host says no other; undefined outside of a cluster. */
  readonly domain: string | undefined;
}

const USUAL_DOMAIN = 'cluster.local';
/** What may be a name of a service. */
const SERVICE_HOST = /^[a-z0-9](?:[a-z0-9_-]|\.(?!\.)){0,254}$/;
const IN_CLUSTER = /^([^.*]+)\.([^.*]+)\.svc(?:\.(.+))?$/;
/** In place of a namespace that nobody names: no suffix of a wildcard ends in it. */
const UNKNOWN = '?';

/**
 * `payments`, `payments.shop.svc`, `payments.shop.svc.cluster.local`, `api.example.com`. A name without dots is of the
 * resource's namespace, as is `payments.shop` for a resource of `shop`. Undefined for a wildcard.
 */
export function parseHost(text: string, namespace: string | undefined): Host | undefined {
  const host = text.toLowerCase().replace(/\.$/, '');
  if (!SERVICE_HOST.test(host)) return undefined;
  const [, name, within, domain = USUAL_DOMAIN] = IN_CLUSTER.exec(host) ?? [];
  if (name !== undefined) return { name, namespace: within, domain };
  const [first = host, second, ...more] = host.split('.');
  if (second === undefined) return { name: host, namespace, domain: USUAL_DOMAIN };
  if (more.length === 0 && second === namespace) return { name: first, namespace, domain: USUAL_DOMAIN };
  return { name: host, namespace: undefined, domain: undefined };
}

/** The whole name, by which two hosts are the same or not. */
export function fullName({ name, namespace, domain }: Host): string {
  return domain === undefined ? name : `${name}.${namespace ?? UNKNOWN}.svc.${domain}`;
}

/** How many characters of the host a wildcard such as `*.shop.svc.cluster.local` names; undefined when it is another. */
export function wildcardFit(text: string, host: Host): number | undefined {
  const suffix = text.toLowerCase().replace(/\.$/, '');
  if (!suffix.startsWith('*')) return undefined;
  return fullName(host).endsWith(suffix.slice(1)) ? suffix.length - 1 : undefined;
}

/**
 * Hosts without a namespace become those of the only namespace that has the name. Where several have it they stay, and
 * are a service of their own.
 */
export function completeHosts(hosts: readonly Host[]): (host: Host) => Host {
  const namespaces = new Map<string, Set<string>>();
  for (const { name, namespace, domain } of hosts) {
    if (namespace === undefined || domain !== USUAL_DOMAIN) continue;
    namespaces.set(name, (namespaces.get(name) ?? new Set()).add(namespace));
  }
  return (host) => {
    const known = namespaces.get(host.name);
    if (host.namespace !== undefined || host.domain !== USUAL_DOMAIN || known?.size !== 1) return host;
    return { ...host, namespace: [...known][0] };
  };
}

/** The shortest name that none of the others has as well: `payments`, `payments.shop`, the whole one. */
export function shortName(host: Host, among: readonly Host[]): string {
  if (host.domain === undefined) return host.name;
  const others = among.filter((each) => each.name === host.name && fullName(each) !== fullName(host));
  if (others.length === 0) return host.name;
  if (host.namespace === undefined) return host.name;
  const isAlone = others.every(({ namespace }) => namespace !== host.namespace);
  return isAlone ? `${host.name}.${host.namespace}` : fullName(host);
}

/** Whether a name that a person gives is this host's: the short one, with its namespace, or the whole one. */
export function isNamed(host: Host, given: string): boolean {
  const name = given.toLowerCase();
  const { namespace } = host;
  const ways = [host.name, fullName(host)];
  if (namespace !== undefined) ways.push(`${host.name}.${namespace}`, `${host.name}.${namespace}.svc`);
  return ways.includes(name);
}
