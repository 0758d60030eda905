import type { Destination } from './plan';

/**
 * Both destinations of every subset, the open one and then the strict one, so that `force` finds its own among them.
 * Fallbacks must not run in circles.
 */
export function compileDestinations(fallbacks: ReadonlyMap<string, string | undefined>): readonly Destination[] {
  const destinations: Destination[] = [];
  for (const subset of fallbacks.keys()) {
    const chain: string[] = [];
    for (let next: string | undefined = subset; next !== undefined; next = fallbacks.get(next)) chain.push(next);
    destinations.push({ index: destinations.length, subset, strict: false, chain });
    destinations.push({ index: destinations.length, subset, strict: true, chain: [subset] });
  }
  return destinations;
}

export function findDestination(
  destinations: readonly Destination[],
  subset: string,
  strict: boolean,
): Destination | undefined {
  return destinations.find((destination) => destination.subset === subset && destination.strict === strict);
}
