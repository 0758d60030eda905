import { readYaml } from '../../../base/yaml';
import { findNode } from '../../../base/yaml-nodes';
import { userLabelOf } from '../../../ops/simulation/crowd';
import type { Plan } from '../../../policy/plan';
import { setShare } from '../../../policy/set-share';

/** What the page shows of a plan: its subsets, and the splits whose weights may be dragged. */
export interface Outline {
  readonly service: string;
  readonly revision: string;
  readonly subsets: readonly OutlinedSubset[];
  readonly routes: readonly OutlinedRoute[];
  /** Labels that the plan reads, lower-case. */
  readonly labelKeys: readonly string[];
  /** The label that names users; undefined: every split goes by chance. */
  readonly userLabel: string | undefined;
  /** Labels that lanes go by; empty without lanes. */
  readonly laneLabels: readonly string[];
  /** Of the last split over two subsets or more: what a rollout would raise, and its base. */
  readonly lastSplit: { readonly canary: string; readonly stable: string } | undefined;
}

/** A subset, and who serves when it cannot. */
interface OutlinedSubset {
  readonly name: string;
  readonly fallback: string | undefined;
}

/** A route with a split. */
export interface OutlinedRoute {
  readonly name: string;
  /** Place in the document. */
  readonly index: number;
  readonly stickBy: string | undefined;
  readonly entries: readonly OutlinedEntry[];
}

/** One entry of a split. */
interface OutlinedEntry {
  readonly to: string;
  readonly weight: number;
  /** Of the route's calls, 0..100. */
  readonly percent: number;
}

export function outlineOf(plan: Plan): Outline {
  const routes = plan.routes.map(
    ({ name, index, split }): OutlinedRoute => ({
      name,
      index,
      stickBy: split.stickBy,
      entries: split.entries.map(({ to, weight, buckets }) => ({ to, weight, percent: buckets / 100 })),
    }),
  );
  const last = routes.findLast(({ entries }) => entries.length > 1);
  const stable = last?.entries.find(({ to }) => to === plan.fallthrough.destination.subset) ?? last?.entries[0];
  const canary = last?.entries.find((entry) => entry !== stable);
  return {
    service: plan.service,
    revision: plan.revision,
    subsets: [...plan.subsets.values()].map(({ name, fallback }) => ({ name, fallback })),
    routes,
    labelKeys: plan.labelKeys,
    userLabel: userLabelOf(plan),
    laneLabels: plan.lanes?.dimensions.map(({ by }) => by) ?? [],
    lastSplit: stable && canary && { canary: canary.to, stable: stable.to },
  };
}

/**
 * The text with another percentage for one entry of a split; the others share what is left, as `graylane weight` does
 * it. Everything else stays as its author wrote it, comments too. The text unchanged where it has no such split, or
 * writes its weights in a way that is no plain number.
 */
export function withShare(plan: Plan, text: string, share: { route: number; entry: number; percent: number }): string {
  const split = plan.document?.routes?.[share.route]?.split;
  if (split === undefined) return text;
  // By their places, since two entries may name the same subset at different places.
  const numbered = split.map(({ weight }, at) => ({ to: String(at), weight }));
  const base = split.findIndex(({ to }) => to === plan.document?.default);
  const weights = setShare(numbered, String(share.entry), share.percent, String(Math.max(0, base)));
  // A plan is made of a text that can be read.
  const { root } = readYaml(text, { uniqueKeys: false });
  let edited = text;
  for (const [entry, { weight }] of [...weights.entries()].toReversed()) {
    const path = ['routes', share.route, 'split', entry, 'weight'];
    const { node, isWhole } = findNode(root, path);
    const { start, end } = node;
    if (!isWhole || start === undefined || end === undefined || Number.isNaN(Number(node.plain))) return text;
    edited = edited.slice(0, start) + String(weight) + edited.slice(end);
  }
  return edited;
}
