import { byHand } from './by-hand';
import { bare, full, inTurn, mirrored, routed, split } from './graylane';
import { metered } from './metered';
import { plain } from './plain';
import type { Variant } from './variant';

export interface VariantEntry {
  /** What tables show. */
  readonly title: string;
  /** Set up in the client's process before it loads grpc-js. */
  readonly spans?: SpansOf;
  readonly open: () => Variant;
}

/** Whose spans: the library's own, which need an SDK and no more, or those of OpenTelemetry's instrumentation of grpc-js. */
export type SpansOf = 'library' | 'instrumentation';

/** The reference of every ratio. */
export const REFERENCE = 'round_robin';

/** By the name that `--variants` takes. */
export const VARIANTS: Readonly<Record<string, VariantEntry>> = {
  [REFERENCE]: { title: 'grpc-js round_robin', open: () => plain('round_robin') },
  pick_first: { title: 'grpc-js pick_first', open: () => plain('pick_first') },
  by_hand: { title: 'opossum by hand', open: byHand },
  instrumented: {
    title: 'instrumentation-grpc, a span',
    spans: 'instrumentation',
    open: () => plain('round_robin'),
  },
  graylane: { title: 'graylane', open: bare },
  in_turn: { title: 'graylane, round_robin', open: inTurn },
  policy: { title: 'graylane + policy', open: routed },
  breakers: { title: 'graylane + policy + breakers', open: full },
  metrics: { title: '... + metrics', open: () => metered() },
  spans: { title: '... + two spans', spans: 'library', open: full },
  everything: { title: '... + metrics + two spans', spans: 'library', open: () => metered() },
};

/** What a proxy is compared with. */
export const PROXIED: Readonly<Record<string, VariantEntry>> = { split: { title: 'graylane 90/10', open: split } };

/** A route with a mirror of 100 %, and without. The last endpoint is the mirror. */
export const MIRRORED: Readonly<Record<string, VariantEntry>> = {
  unmirrored: { title: 'no mirror', open: () => mirrored(false) },
  mirrored: { title: 'mirror at 100 %', open: () => mirrored(true) },
  compared: { title: 'mirror at 100 %, compared', open: () => mirrored(true, true) },
};
