import type { SubsetTraffic } from '../../client/admin/page/page-view';
import { formatNumber } from '../kit/i18n';
import type { SharePart } from '../kit/shares';
import { words as t } from './words';

/** Attempts "now" are those of the step that runs and of the one before: of 5 to 10 seconds. */
const RECENT_SECONDS = 7.5;

/** Shares in the order of the policy, so that a subset has the same colour everywhere. */
export function partsOf(traffic: readonly SubsetTraffic[], subsets: readonly string[]): SharePart[] {
  return inOrder(traffic, subsets).map(({ subset, attempts }) => ({
    label: subset,
    amount: attempts,
    part: colorOf(subset, subsets),
  }));
}

export function inOrder<T extends { readonly subset: string }>(all: readonly T[], subsets: readonly string[]): T[] {
  const rank = ({ subset }: T): number => (subsets.includes(subset) ? subsets.indexOf(subset) : subsets.length);
  return [...all].sort((a, b) => rank(a) - rank(b));
}

/** Which colour of `tokens.css` a subset has. */
export function colorOf(subset: string, subsets: readonly string[]): number {
  const at = subsets.indexOf(subset);
  return at < 0 ? subsets.length : at;
}

export function perSecond(attempts: number): string {
  const rate = attempts / RECENT_SECONDS;
  return t('perSecond', { n: formatNumber(rate, rate < 10 ? 1 : 0) });
}
