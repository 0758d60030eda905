import type { Decision } from '../../../policy/plan';
import { type CountedMirror, RouteMirror, type RouteMirrorView } from './route-mirror';

/** A plan has no more routes. Names of former plans go first. */
const MOST_ROUTES = 1_000;

/** A service of a Graylane client whose calls are copied. */
export interface MirroredService extends CountedMirror {
  /** Undefined until a call has a mirror. */
  mirrors: Mirrors | undefined;
}

/** What is copied of the calls to one service of a Graylane client, on all its channels. Made by the first such call. */
export class Mirrors {
  readonly of: MirroredService;
  /** Copies in flight. */
  inFlight = 0;
  readonly #routes = new Map<string, RouteMirror>();
  readonly #told = new Set<string>();

  constructor(of: MirroredService) {
    this.of = of;
  }

  /** `decision` has a mirror. */
  route(decision: Decision): RouteMirror {
    const { route } = decision;
    let mirror = this.#routes.get(route);
    if (mirror?.isOf(decision) !== true) {
      if (mirror === undefined && this.#routes.size >= MOST_ROUTES) {
        const [oldest = ''] = this.#routes.keys();
        this.#routes.delete(oldest);
      }
      mirror = new RouteMirror(this.of, decision, mirror);
      this.#routes.set(route, mirror);
    }
    return mirror;
  }

  /** Logs why calls of a route are not copied, once for each route and reason. */
  tellNotMirrored(route: string, reason: string, method: string): void {
    const key = `${route} ${reason}`;
    if (this.#told.has(key) || this.#told.size >= MOST_ROUTES) return;
    this.#told.add(key);
    this.of.logger.warn(`calls are not mirrored: ${reason}`, { service: this.of.service, route, method });
  }

  views(): readonly RouteMirrorView[] {
    return [...this.#routes.values()].map((route) => route.view());
  }
}

/** Those of the service, made when they are first asked for. */
export function mirrorsOf(service: MirroredService): Mirrors {
  service.mirrors ??= new Mirrors(service);
  return service.mirrors;
}
