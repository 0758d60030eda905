import fc from 'fast-check';
import { chain } from './arbitrary-chain';

type Node = Record<string, unknown>;

/** How a document orders datacenters: one way for everybody. */
const orders = fc.constantFrom<readonly string[]>([], ['dc2'], ['dc3', 'dc2']);

/**
 * Random chains with all that a document may have no words for taken out: a failover for each resolver, changed
 * headers, paths that are neither names nor services, several timeouts in a split.
 */
export const expressible: fc.Arbitrary<Record<string, unknown>> = fc.tuple(chain, orders).map(([content, failover]) => {
  const copy = JSON.parse(JSON.stringify(content), plain) as {
    StartNode: string;
    Nodes: Record<string, Node>;
    Targets: Record<string, Node>;
  };
  const first = { ...copy.Targets };
  for (const [id, target] of Object.entries(first)) {
    target['Datacenter'] = 'dc1';
    (target['Subset'] as Node)['OnlyPassing'] = false;
    for (const datacenter of failover) copy.Targets[`${id}@${datacenter}`] = { ...target, Datacenter: datacenter };
  }
  for (const [id, { Type, Resolver }] of Object.entries(copy.Nodes)) {
    if (Type !== 'resolver') continue;
    const resolver = Resolver as Node;
    if (copy.StartNode !== id) delete resolver['RequestTimeout'];
    const targets = failover.map((datacenter) => `${String(resolver['Target'])}@${datacenter}`);
    resolver['Failover'] = targets.length === 0 ? undefined : { Targets: targets };
  }
  return copy;
});

function plain(key: string, value: unknown): unknown {
  if (key === 'RequestHeaders' || key === 'ResponseHeaders') return undefined;
  if (key !== 'HTTP') return value;
  const { CaseInsensitive: _, PathPrefix, PathRegex, ...http } = value as Node;
  const prefix = PathPrefix === '/' || PathPrefix === undefined ? PathPrefix : '/shop.v1.Payments/';
  const isList = typeof PathRegex === 'string' && PathRegex.includes('[A-Z]');
  return {
    ...http,
    ...(prefix === undefined ? {} : { PathPrefix: prefix }),
    ...(PathRegex === undefined
      ? {}
      : { PathRegex: isList ? '/shop\\.v1\\.(?:Orders|Payments)/(List|Charge)' : PathRegex }),
  };
}
