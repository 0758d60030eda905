import { fieldsOf, textOf } from './report';

/**
 * True for the chain of a service without router, splitter or resolver entries. Newer servers say so (`Default`); for older
 * ones it is what they mean by it: a default resolver, at the start, of the service itself.
 */
export function isDefaultChain(content: unknown): boolean {
  const chain = fieldsOf(content);
  if (typeof chain['Default'] === 'boolean' && chain['Default']) return true;
  const start = fieldsOf(fieldsOf(chain['Nodes'])[textOf(chain['StartNode']) ?? '']);
  const resolver = fieldsOf(start['Resolver']);
  if (start['Type'] !== 'resolver' || resolver['Default'] !== true) return false;
  const target = fieldsOf(fieldsOf(chain['Targets'])[textOf(resolver['Target']) ?? '']);
  return ['Namespace', 'Partition'].every((name) => target[name] === chain[name]) && isOwnService(target, chain);
}

function isOwnService(target: Readonly<Record<string, unknown>>, chain: Readonly<Record<string, unknown>>): boolean {
  return target['Service'] === chain['ServiceName'] && textOf(target['Peer']) === undefined;
}
