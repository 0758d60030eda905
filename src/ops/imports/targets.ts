import type { DestinationDocument, RouteTargetDocument, SplitEntryDocument } from '../../policy/document';
import { MAX_SPLIT_ENTRIES } from '../../policy/limits';
import type { PlaceReport } from './report';

/** Destinations of one route, each once with the sum of its weights. */
export class TargetList {
  readonly #weights = new Map<string, SplitEntryDocument>();

  add(to: DestinationDocument, weight: number): void {
    const key = JSON.stringify(to);
    this.#weights.set(key, { to, weight: (this.#weights.get(key)?.weight ?? 0) + weight });
  }

  /** Undefined where no call would go anywhere, or where there are more than a document holds, which is told. */
  document(path: string, report: PlaceReport): RouteTargetDocument | undefined {
    const split = [...this.#weights.values()];
    if (!split.some(({ weight }) => weight > 0)) return undefined;
    if (split.length > MAX_SPLIT_ENTRIES) {
      report.cannot(path, `${split.length} destinations (expected: at most ${MAX_SPLIT_ENTRIES})`);
      return undefined;
    }
    const [only] = split;
    return split.length === 1 && only !== undefined ? { to: only.to } : { split };
  }
}

/** What a destination of another service rests on. */
export function tellOther(service: string, subset: string | undefined, path: string, report: PlaceReport): void {
  report.note(path, aboutOther(service, subset));
}

/** The same without its place. */
export function aboutOther(service: string, subset: string | undefined): string {
  return subset === undefined
    ? `calls go to the default of the policy of ${service}, or to all of its instances where it has none`
    : `${service} needs a policy with a subset ${subset}; import that too, with --service ${service}`;
}
