import type { PolicyDocument, RouteDocument } from '../../policy/document';
import { MAX_ROUTES } from '../../policy/limits';
import { plainName } from '../../policy/places/destination';
import { validatePolicy } from '../../policy/validate';
import type { ImportReport } from './report';

/** Leaves room for a number. */
const MOST_NAME_CHARACTERS = 120;

/** A subset of every instance, where the default was taken out. */
const REST = 'all-instances';

/** Names of routes, each given once. */
export class RouteNames {
  readonly #names = new Set<string>();

  unique(wanted: string): string {
    const name = wanted.slice(0, MOST_NAME_CHARACTERS);
    let found = name;
    for (let number = 2; this.#names.has(found); number += 1) found = `${name} (${number})`;
    this.#names.add(found);
    return found;
  }
}

/**
 * The routes up to the first that takes every call: what follows it is never reached. More than a document holds are
 * cut, which is a loss.
 */
export function reachableRoutes(routes: readonly RouteDocument[], report: ImportReport): readonly RouteDocument[] {
  const last = routes.findIndex(({ match }) => match === undefined);
  const reached = last < 0 ? routes : routes.slice(0, last + 1);
  const dead = routes.slice(reached.length).map(({ name }) => name);
  if (dead.length > 0)
    report.note(`never reached, so left out: ${dead.join(', ')}; ${reached.at(-1)?.name} takes every call`);
  if (reached.length <= MAX_ROUTES) return reached;
  report.loss(undefined, 'routes', [], `${reached.length} (expected: at most ${MAX_ROUTES}); the others are left out`);
  return reached.slice(0, MAX_ROUTES);
}

/**
 * What a document would be refused for is taken out of it and told, so that whatever comes out can be applied. A net
 * below the importers, which look at their fields themselves.
 */
export function soundDocument(document: PolicyDocument, report: ImportReport): PolicyDocument {
  let sound = document;
  // Each round takes one part out.
  for (let parts = 0; parts <= MAX_ROUTES + 20; parts += 1) {
    const [problem] = validatePolicy(sound, { service: sound.service }).problems;
    if (problem === undefined) return sound;
    report.loss(undefined, problem.path === '' ? 'policy' : problem.path, [], `left out: ${problem.message}`);
    const index = /^routes\[(\d+)\]/.exec(problem.path)?.[1];
    const [key] = /^\w+/.exec(problem.path) ?? [];
    if (index !== undefined) {
      sound = { ...sound, routes: (sound.routes ?? []).filter((_, at) => at !== Number(index)) };
    } else if (key === 'subsets') {
      const bad = Object.keys(sound.subsets ?? {}).find((name) => problem.path.includes(name));
      const kept = Object.entries(sound.subsets ?? {}).filter(([name]) => bad !== undefined && name !== bad);
      sound = { ...sound, subsets: Object.fromEntries(kept) };
    } else if (key === 'default') {
      sound = { ...sound, subsets: { ...sound.subsets, [REST]: {} }, default: REST };
    } else if (key !== undefined && key !== 'schema' && key !== 'service' && key in sound) {
      const { [key as keyof PolicyDocument]: _, ...rest } = sound;
      sound = rest as PolicyDocument;
    } else break;
  }
  return { schema: 1, service: document.service };
}

/** The own subset where most of a route's calls go; undefined where none go to one. */
export function mainTarget({ to, split = [] }: RouteDocument): string | undefined {
  const own = split.filter((entry) => typeof entry.to === 'string');
  const most = Math.max(...own.map(({ weight }) => weight));
  return plainName(to ?? own.find(({ weight }) => weight === most)?.to);
}

/** Whether the route only repeats the default. */
export function isPlain({ name: _, to, ...rest }: RouteDocument): boolean {
  return typeof to === 'string' && Object.keys(rest).length === 0;
}
