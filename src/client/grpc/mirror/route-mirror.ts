import type { Clock } from '../../../base/clock';
import type { Logger } from '../../../base/logger';
import type { Random } from '../../../base/random';
import { destinationName } from '../../../policy/places/destination';
import type { Decision, MirrorPlan } from '../../../policy/plan';
import type { BalancerContext } from '../../balancer/context';
import * as names from '../../telemetry/attributes';
import { statusText } from '../../telemetry/attributes';
import type { ServiceTelemetry } from '../../telemetry/service-telemetry';
import { type CompareResult, Comparison, type FieldDifference } from './compare/comparison';
import { type IgnoredFields, parseIgnored } from './compare/differing-fields';
import type { CopyCall, DropReason } from './copy-call';

/** What a service has for those that count its copies. */
export interface CountedMirror {
  readonly service: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly telemetry: ServiceTelemetry | undefined;
  readonly balancer: Pick<BalancerContext, 'answersCompared'>;
}

/** The copies of one route's calls, for `inspect()`. Counted since its mirror was last changed. */
export interface RouteMirrorView {
  /** Name of the route. */
  readonly route: string;
  /** Subset that gets the copies, with the place that it is pinned to. */
  readonly to: string;
  /** Copies that have ended with a status, second copies apart. */
  readonly copies: number;
  /** Of `copies`: those that did not end OK. */
  readonly failed: number;
  /** How long `copies` took on average, in milliseconds; undefined without any. */
  readonly meanMs: number | undefined;
  /**
   * Copies that were not made, or not to their end. `busy`: too many were in flight; `size`: the request was larger
   * than 1 MiB, or the mirror took it too slowly; `unfinished`: the call ended before its request was whole; `closed`:
   * its channel was closed.
   */
  readonly dropped: Readonly<Record<DropReason, number>>;
  /** Undefined: answers are not compared. */
  readonly comparison: ComparisonView | undefined;
}

/** What comparing answers has found. */
interface ComparisonView {
  /** Calls whose answer and whose copy's answer were compared: the sum of the next three. */
  readonly compared: number;
  /** They did not differ. */
  readonly equal: number;
  /** They differed in fields that differ by themselves, or of which nothing is proven yet. */
  readonly unflagged: number;
  /** They differed in a flagged field. */
  readonly differing: number;
  /** Answers of more than 256 KiB, and calls or copies that no server answered. */
  readonly uncompared: number;
  /** Compared calls that had a second copy, to their own destination. */
  readonly noiseCompared: number;
  /** Flagged ones first. At most 101. */
  readonly fields: readonly FieldDifference[];
}

/** Counts what becomes of the copies of one route. A changed mirror begins anew; metrics go on. */
export class RouteMirror {
  readonly plan: MirrorPlan;
  readonly route: string;
  /** As the header has it: printable, without commas. */
  readonly header: string;
  readonly comparison: Comparison | undefined;
  readonly ignored: IgnoredFields;
  uncompared = 0;
  readonly #service: CountedMirror;
  #decision: Decision;
  #copies = 0;
  #failed = 0;
  #totalMs = 0;
  readonly #dropped: Record<DropReason, number> = { busy: 0, size: 0, unfinished: 0, closed: 0 };

  /** `former`: the mirror that the route had before; one that means the same is gone on with. */
  constructor(service: CountedMirror, decision: Decision, former: RouteMirror | undefined) {
    const plan = decision.mirror as MirrorPlan;
    this.#service = service;
    this.#decision = decision;
    this.plan = plan;
    this.route = decision.route;
    this.header = /^[!-+\--~][ -+\--~]*$/.test(this.route) ? this.route : encodeURIComponent(this.route);
    this.ignored = parseIgnored(plan.compare?.ignore ?? []);
    this.comparison = plan.compare === undefined ? undefined : new Comparison();
    if (former?.means(plan) !== true) return;
    this.comparison = former.comparison;
    this.uncompared = former.uncompared;
    this.#copies = former.#copies;
    this.#failed = former.#failed;
    this.#totalMs = former.#totalMs;
    this.#dropped = former.#dropped;
  }

  isOf(decision: Decision): boolean {
    return this.#decision === decision;
  }

  means({ copy, compare }: MirrorPlan): boolean {
    const own = this.plan;
    return (
      destinationName(copy.destination) === destinationName(own.copy.destination) &&
      JSON.stringify(compare?.ignore) === JSON.stringify(own.compare?.ignore)
    );
  }

  dropped(reason: DropReason): void {
    this.#dropped[reason] += 1;
    this.#count('mirrorDropped', { [names.MIRROR_REASON]: reason });
  }

  /** A copy has ended. `isAgain`: a second one, to the call's own destination. */
  ended({ status, droppedFor, sentAtMs }: CopyCall, isAgain: boolean): void {
    if (droppedFor !== undefined) this.dropped(droppedFor);
    if (status === undefined) return;
    const tookMs = sentAtMs === undefined ? 0 : this.#service.clock.now() - sentAtMs;
    const kind = isAgain ? 'noise' : 'mirror';
    const labels = { [names.MIRROR_KIND]: kind, [names.RPC_STATUS]: statusText(status.code) };
    this.#count('mirrorCopies', labels);
    this.#service.telemetry?.copyTook({ ...this.#labels, ...labels }, tookMs);
    if (isAgain) return;
    this.#copies += 1;
    if (status.code !== 0) this.#failed += 1;
    this.#totalMs += tookMs;
  }

  compared(method: string, result: CompareResult, fields: Iterable<string>): void {
    this.#count('mirrorCompared', { [names.MIRROR_RESULT]: result });
    this.#service.balancer.answersCompared(this.#to, result === 'differing');
    if (result !== 'differing') return;
    for (const field of fields) {
      if (this.comparison?.isFlagged(method, field) !== true) continue;
      this.#count('mirrorDifferences', { [names.RPC_METHOD]: method.slice(1), [names.MIRROR_FIELD]: field });
    }
  }

  flagged({ method, field, differing, noiseCompared, noiseDiffering }: FieldDifference): void {
    const fields = { service: this.#service.service, route: this.route, mirror: this.#name, method, field };
    const counts = { differing, compared: this.comparison?.compared, noiseCompared, noiseDiffering };
    this.#service.logger.warn('answers of the mirror differ', { ...fields, ...counts });
  }

  get #to(): string {
    return this.plan.copy.destination.subset;
  }

  get #name(): string {
    return destinationName(this.plan.copy.destination);
  }

  get #labels(): Record<string, string> {
    return { [names.ROUTE]: this.route, [names.SUBSET]: this.#to };
  }

  #count(
    counter: 'mirrorCopies' | 'mirrorDropped' | 'mirrorCompared' | 'mirrorDifferences',
    labels: Readonly<Record<string, string>>,
  ): void {
    this.#service.telemetry?.counts.mirrored.add(counter, { ...this.#labels, ...labels });
  }

  view(): RouteMirrorView {
    const copies = this.#copies;
    return {
      route: this.route,
      to: this.#name,
      copies,
      failed: this.#failed,
      meanMs: copies === 0 ? undefined : this.#totalMs / copies,
      dropped: { ...this.#dropped },
      comparison: this.comparison && comparisonView(this.comparison, this.uncompared),
    };
  }
}

function comparisonView(comparison: Comparison, uncompared: number): ComparisonView {
  const { compared, equal, unflagged, differing, noiseCompared } = comparison;
  return { compared, equal, unflagged, differing, uncompared, noiseCompared, fields: comparison.fields() };
}
