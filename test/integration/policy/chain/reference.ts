import type { Call } from './arbitrary-chain';

/**
 * What Consul's and Envoy's documentation say of one call under a compiled chain: slow, obvious, and written from those
 * pages, not from the compiler.
 * - https://developer.hashicorp.com/consul/docs/connect/config-entries/service-router (and -splitter, -resolver)
 * - https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/route/v3/route_components.proto
 * - https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_conn_man/headers#custom-request-response-headers
 */
export interface Expected {
  /** Position of the route; undefined where there is no router. */
  readonly route: number | undefined;
  readonly legs: readonly ExpectedLeg[];
  readonly retry: { readonly attempts: number; readonly codes: readonly string[] } | undefined;
}

export interface ExpectedLeg {
  /** Of all calls, between 0 and 1. */
  readonly share: number;
  readonly places: readonly ExpectedPlace[];
  readonly timeoutMs: number | undefined;
  /** What the server gets of the call's headers. */
  readonly headers: Readonly<Record<string, readonly string[]>>;
}

interface ExpectedPlace {
  readonly service: string;
  readonly datacenter: string;
  readonly filter: string | undefined;
  readonly onlyPassing: boolean;
}

// biome-ignore lint/suspicious/noExplicitAny: whatever JSON a chain is
type Json = Record<string, any>;

export function expectedOf(chain: Json, call: Call): Expected {
  const start = chain['Nodes'][chain['StartNode']];
  if (start.Type !== 'router') {
    return { route: undefined, legs: legsFrom(chain, start, 1, [], undefined, call), retry: undefined };
  }
  const routes: Json[] = start.Routes;
  const route = routes.findIndex((each) => matches(each['Definition']?.Match?.HTTP ?? {}, call));
  const destination: Json = routes[route]?.['Definition']?.Destination ?? {};
  const next = chain['Nodes'][routes[route]?.['NextNode']];
  const modifiers = destination['RequestHeaders'] === undefined ? [] : [destination['RequestHeaders']];
  return {
    route,
    legs: legsFrom(chain, next, 1, modifiers, destination['RequestTimeout'] || undefined, call),
    retry: retryOf(destination),
  };
}

function legsFrom(
  chain: Json,
  node: Json,
  share: number,
  modifiers: readonly Json[],
  timeout: unknown,
  call: Call,
): ExpectedLeg[] {
  if (node['Type'] === 'resolver') {
    const { Target, Failover, RequestTimeout } = node['Resolver'];
    const milliseconds = millisecondsOf(timeout ?? (RequestTimeout || undefined));
    return [
      {
        share,
        places: [Target, ...(Failover?.Targets ?? [])].map((id) => placeOf(chain['Targets'][id])),
        timeoutMs: milliseconds !== undefined && milliseconds > 0 ? milliseconds : undefined,
        headers: rewritten(call.headers, modifiers),
      },
    ];
  }
  const splits: Json[] = node['Splits'];
  const total = splits.reduce((sum, split) => sum + (split['Weight'] ?? 0), 0);
  return splits.flatMap((split) => {
    const own = split['Definition']?.RequestHeaders;
    const all = own === undefined ? modifiers : [own, ...modifiers];
    const part = (share * (split['Weight'] ?? 0)) / total;
    return legsFrom(chain, chain['Nodes'][split['NextNode']], part, all, timeout, call);
  });
}

function placeOf(target: Json): ExpectedPlace {
  return {
    service: target['Service'],
    datacenter: target['Datacenter'],
    filter: target['Subset'].Filter,
    onlyPassing: target['Subset'].OnlyPassing === true,
  };
}

function matches(http: Json, call: Call): boolean {
  if (http['QueryParam']?.length > 0) return false;
  if (http['Methods']?.length > 0 && !http['Methods'].some((name: string) => name.toUpperCase() === 'POST'))
    return false;
  return matchesPath(http, call.path) && (http['Header'] ?? []).every((header: Json) => matchesHeader(header, call));
}

function matchesPath(http: Json, path: string): boolean {
  const same = (text: string): string => (http['CaseInsensitive'] ? text.toLowerCase() : text);
  if (http['PathExact']) return same(path) === same(http['PathExact']);
  if (http['PathPrefix']) return same(path).startsWith(same(http['PathPrefix']));
  // "Ignored for safe_regex matching", which looks at the whole path.
  if (http['PathRegex']) return new RegExp(`^(?:${http['PathRegex']})$`).test(path);
  return true;
}

/** A header that is missing is not compared with anything: no match, inverted or not. */
function matchesHeader(header: Json, call: Call): boolean {
  const name = header['Name'].toLowerCase();
  // What a client does not see before it decides cannot be evaluated.
  if (name.startsWith(':') || name.endsWith('-bin')) return false;
  const value = call.headers[name];
  if (header['Present']) return (value !== undefined) !== header['Invert'];
  if (value === undefined) return false;
  return comparison(header, value) !== header['Invert'];
}

function comparison(header: Json, given: string): boolean {
  const same = (text: string): string => (header['IgnoreCase'] ? text.toLowerCase() : text);
  const value = same(given);
  if (header['Exact']) return value === same(header['Exact']);
  if (header['Prefix']) return value.indexOf(same(header['Prefix'])) === 0;
  if (header['Suffix']) return value.endsWith(same(header['Suffix']));
  if (header['Contains']) return value.indexOf(same(header['Contains'])) >= 0;
  return new RegExp(`^(?:${header['Regex']})$`, header['IgnoreCase'] ? 'i' : '').test(given);
}

/** Weighted cluster first, then route; in each removal, then additions as Consul lists them. Variables are Envoy's. */
function rewritten(headers: Readonly<Record<string, string>>, modifiers: readonly Json[]): Record<string, string[]> {
  const result: Record<string, string[]> = {};
  for (const [name, value] of Object.entries(headers)) result[name] = [value];
  const isOurs = (name: string): boolean => !name.startsWith(':') && !name.toLowerCase().startsWith('grpc-');
  const isText = (value: string): boolean => !/%[^%]/.test(value.replaceAll('%%', '')) && /^[\x20-\x7e]*$/.test(value);
  for (const { Add = {}, Set: set = {}, Remove = [] } of modifiers) {
    for (const name of Remove as string[]) if (isOurs(name)) delete result[name.toLowerCase()];
    for (const [name, value] of Object.entries<string>(Add)) {
      if (!isOurs(name) || !isText(value)) continue;
      const key = name.toLowerCase();
      result[key] = [...(result[key] ?? []), value.replaceAll('%%', '%')];
    }
    for (const [name, value] of Object.entries<string>(set)) {
      if (isOurs(name) && isText(value)) result[name.toLowerCase()] = [value.replaceAll('%%', '%')];
    }
  }
  return result;
}

function retryOf(destination: Json): Expected['retry'] {
  const codes = new Set<string>();
  const conditions: string[] = destination['RetryOn'] ?? [];
  const statuses: number[] = destination['RetryOnStatusCodes'] ?? [];
  const retries: number = destination['NumRetries'] ?? 0;
  const isConditional = conditions.length > 0 || statuses.length > 0 || destination['RetryOnConnectFailure'] === true;
  if (!isConditional && retries === 0) return undefined;
  if (destination['RetryOnConnectFailure'] === true || !isConditional) codes.add('UNAVAILABLE');
  for (const condition of conditions) {
    if (condition === '5xx' || condition === 'reset' || condition === 'unavailable') codes.add('UNAVAILABLE');
    if (condition === 'cancelled' || condition === 'internal') codes.add(condition.toUpperCase());
    if (condition === 'deadline-exceeded') codes.add('DEADLINE_EXCEEDED');
  }
  for (const status of statuses) {
    if (status === 400) codes.add('INTERNAL');
    if (status === 401) codes.add('UNAUTHENTICATED');
    if (status === 403) codes.add('PERMISSION_DENIED');
    if (status === 404) codes.add('UNIMPLEMENTED');
    if ([429, 502, 503, 504].includes(status)) codes.add('UNAVAILABLE');
  }
  return { attempts: Math.min(5, 1 + (retries === 0 ? 1 : retries)), codes: [...codes].sort() };
}

const UNITS: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1_000, ms: 1 };

function millisecondsOf(value: unknown): number | undefined {
  if (typeof value === 'number') return value / 1_000_000;
  if (typeof value !== 'string') return undefined;
  const parts = [...value.matchAll(/([\d.]+)(ms|h|m|s)/g)];
  const total = parts.reduce((sum, [, count, unit]) => sum + Number(count) * (UNITS[unit ?? ''] ?? 0), 0);
  return value.startsWith('-') ? -total : total;
}
