import type { DestinationDocument, RouteTargetDocument, SplitEntryDocument } from '../../policy/document';
import { MAX_SPLIT_ENTRIES } from '../../policy/limits';
import type { PlaceReport } from './report';

/** Destinations of one route, each once with the sum of its weights. */
export class TargetList {
  readonly #weights = new Map<string, SplitEntryDocument>();
  #leftOut = 0;

  add(to: DestinationDocument, weight: number): void {
    const key = JSON.stringify(to);
    this.#weights.set(key, { to, weight: (this.#weights.get(key)?.weight ?? 0) + weight });
  }

  /** A destination that was told, and is not here. */
  leaveOut(weight: number): void {
    this.#leftOut += weight;
  }

  /** Undefined where no call would go anywhere, or where there are more than a document holds, which is told. */
  document(path: string, report: PlaceReport): RouteTargetDocument | undefined {
    const split = [...this.#weights.values()];
    if (!split.some(({ weight }) => weight > 0)) return undefined;
    if (split.length > MAX_SPLIT_ENTRIES) {
      report.cannot(path, `${split.length} destinations (expected: at most ${MAX_SPLIT_ENTRIES})`);
      return undefined;
    }
    if (this.#leftOut > 0) {
      const all = split.reduce((sum, { weight }) => sum + weight, this.#leftOut);
      report.note(path, `${this.#leftOut} of ${all} of its calls went to what is left out; the others take them`);
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
