import type { PolicyDocument, SplitEntryDocument } from '../../src/policy/document';

/** What most tests' policies have in common: a stable and a canary subset, by tag. */
export const GRAY = {
  schema: 1,
  service: 'payments',
  subsets: { stable: { tags: ['stable'] }, canary: { tags: ['canary'] } },
  default: 'stable',
} as const satisfies PolicyDocument;

/** The same, with stable serving where the canary cannot. */
export const GRAY_WITH_FALLBACK = {
  ...GRAY,
  subsets: { ...GRAY.subsets, canary: { ...GRAY.subsets.canary, fallback: 'stable' } },
} as const satisfies PolicyDocument;

/** So many percent of the calls to the canary, the others to stable. */
export function graySplit(percent: number): readonly [SplitEntryDocument<'stable'>, SplitEntryDocument<'canary'>] {
  return [
    { to: 'stable', weight: 100 - percent },
    { to: 'canary', weight: percent },
  ];
}
