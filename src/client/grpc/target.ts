import { GraylaneError } from '../../base/errors';
import { PORT_NAME, SERVICE_NAME } from '../../base/names';

type Scheme = 'consul' | 'static';
/** Where a target's policy comes from. `auto`: inline, else the file, else KV, else config entries. */
export type PolicyMode = 'auto' | 'inline' | 'kv' | 'chain' | 'none';

/**
 * A parsed channel target: `consul://[host:port]/service[?dc=dc1,dc2&tag=a&port=grpc&policy=kv]` or
 * `static:///service`.
 */
export interface Target {
  readonly scheme: Scheme;
  /** Consul address of this target alone, `host:port`; undefined: the Graylane client's. */
  readonly authority: string | undefined;
  readonly service: string;
  readonly datacenters: readonly string[] | undefined;
  readonly tags: readonly string[];
  /** Of services with several ports the one that is called so; undefined: their default port. */
  readonly port?: string | undefined;
  readonly policy: PolicyMode | undefined;
}

const GRAMMAR =
  'consul://[host:port]/service[?dc=dc1,dc2&tag=a&port=grpc&policy=inline|kv|chain|none] or static:///service';
const MAX_LENGTH = 1024;
const NAME = /^[A-Za-z0-9_][A-Za-z0-9_.:=-]{0,254}$/;
const HOST_PORT = /^(?<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):(?<port>[0-9]{1,5})$/;
export const POLICY_MODES: readonly PolicyMode[] = ['auto', 'inline', 'kv', 'chain', 'none'];

/** Throws INVALID_TARGET for what is no text: of a program that is not checked for types. */
export function checkTargetText(value: unknown): asserts value is string {
  if (typeof value === 'string') return;
  const shown = value === undefined || value === null ? String(value) : `a value of type ${typeof value}`;
  throw new GraylaneError(
    'INVALID_TARGET',
    `target: ${shown} (expected: a service name or a target, such as ${GRAMMAR})`,
  );
}

/**
 * Parses a target, throwing INVALID_TARGET with what was expected. The text is quoted escaped and cut, so that a
 * hostile one cannot forge log lines.
 */
export function parseTarget(text: string): Target {
  if (text.length > MAX_LENGTH) throw invalid(text, `at most ${MAX_LENGTH} characters, got ${text.length}`);
  const match = /^(?<scheme>[A-Za-z][A-Za-z0-9+.-]*):\/\/(?<authority>[^/?]*)\/(?<rest>.*)$/s.exec(text);
  const scheme = match?.groups?.['scheme'];
  if (match?.groups === undefined || (scheme !== 'consul' && scheme !== 'static')) throw invalid(text, GRAMMAR);
  return fromParts(text, scheme, match.groups['authority'] ?? '', match.groups['rest'] ?? '');
}

/** The same from what grpc-js made of the text. */
export function targetFromUri(uri: { scheme?: string; authority?: string; path: string }): Target {
  const text = `${uri.scheme ?? ''}://${uri.authority ?? ''}/${uri.path}`;
  return parseTarget(text);
}

/** Writes a target so that equal targets are equal text. */
export function formatTarget(target: Target): string {
  const query = new URLSearchParams();
  if (target.datacenters !== undefined) query.set('dc', target.datacenters.join(','));
  for (const tag of target.tags) query.append('tag', tag);
  if (target.port !== undefined) query.set('port', target.port);
  if (target.policy !== undefined) query.set('policy', target.policy);
  const suffix = query.size === 0 ? '' : `?${query.toString().replaceAll('%2C', ',')}`;
  return `${target.scheme}://${target.authority ?? ''}/${target.service}${suffix}`;
}

function fromParts(text: string, scheme: Scheme, authority: string, rest: string): Target {
  const cut = rest.indexOf('?');
  const service = cut < 0 ? rest : rest.slice(0, cut);
  if (!SERVICE_NAME.test(service)) {
    throw invalid(text, `a service name of letters, digits, "-", "_" and ".", in ${GRAMMAR}`);
  }
  if (authority !== '' && scheme === 'static') throw invalid(text, 'no authority in a static target');
  if (authority !== '') checkAuthority(text, authority);
  const query = parseQuery(text, scheme, cut < 0 ? '' : rest.slice(cut + 1));
  return { scheme, authority: authority === '' ? undefined : authority, service, ...query };
}

function checkAuthority(text: string, authority: string): void {
  const port = Number(HOST_PORT.exec(authority)?.groups?.['port'] ?? Number.NaN);
  if (!(port >= 1 && port <= 65535)) throw invalid(text, 'an authority of the form host:port, port 1..65535');
}

type TargetQuery = Pick<Target, 'datacenters' | 'tags' | 'port' | 'policy'>;

function parseQuery(text: string, scheme: Scheme, query: string): TargetQuery {
  let datacenters: readonly string[] | undefined;
  let port: string | undefined;
  let policy: PolicyMode | undefined;
  const tags: string[] = [];
  for (const [key, value] of new URLSearchParams(query)) {
    if (key === 'dc' && datacenters === undefined && scheme === 'consul') {
      datacenters = value.split(',');
      if (!datacenters.every((name) => NAME.test(name)) || new Set(datacenters).size !== datacenters.length) {
        throw invalid(text, 'dc to be a list of distinct datacenter names, such as dc=dc1,dc2');
      }
    } else if (key === 'tag' && scheme === 'consul') {
      if (!NAME.test(value)) throw invalid(text, 'tag to be a Consul tag');
      tags.push(value);
    } else if (key === 'port' && port === undefined && scheme === 'consul') {
      if (!PORT_NAME.test(value)) throw invalid(text, 'port to be the name of a port, such as port=grpc');
      port = value;
    } else if (key === 'policy' && policy === undefined) {
      policy = POLICY_MODES.find((mode) => mode === value);
      if (policy === undefined) throw invalid(text, `policy to be one of ${POLICY_MODES.join(', ')}`);
    } else {
      const allowed = scheme === 'consul' ? 'dc, tag, port and policy' : 'policy';
      throw invalid(text, `only ${allowed} in the query, dc, port and policy once`);
    }
  }
  return { datacenters, tags, port, policy };
}

function invalid(text: string, expected: string): GraylaneError {
  // Whoever wrote credentials into a target should not meet them again in a log.
  const safe = text.replace(/\/\/[^/]*@/, '//[...]@');
  const shown = JSON.stringify(safe.length > 80 ? `${safe.slice(0, 80)}...` : safe);
  return new GraylaneError('INVALID_TARGET', `target: ${shown} (expected: ${expected})`);
}
