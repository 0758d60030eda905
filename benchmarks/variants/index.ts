import { byHand } from './by-hand';
import { bare, full, routed, split } from './graylane';
import { plain } from './plain';
import type { Variant } from './variant';

/** By the name that tables show. The reference of every ratio is `round_robin`. */
export const VARIANTS: Readonly<Record<string, () => Variant>> = {
  round_robin: () => plain('round_robin'),
  pick_first: () => plain('pick_first'),
  'opossum by hand': byHand,
  graylane: bare,
  'graylane + policy': routed,
  'graylane + policy + breakers': full,
};

/** What a proxy is compared with. */
export const PROXIED: Readonly<Record<string, () => Variant>> = { 'graylane 90/10': split };
