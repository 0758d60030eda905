import type { ComponentChildren } from 'preact';
import { formatShare } from './i18n';
import { kitWords as t } from './words';

export interface DialProps {
  readonly state: 'closed' | 'open' | 'halfOpen' | 'off';
  /** Part of the outcomes that were failures, in [0, 1]; undefined: there were none. */
  readonly failureRate: number | undefined;
  /** Outcomes that the rate is of. The core grows with them. */
  readonly outcomes: number;
  /** What it belongs to, and its countdown. */
  readonly children: ComponentChildren;
}

const AROUND = 2 * Math.PI * 26;

/** A breaker: the core says its state, the ring how much of what it saw has failed. */
export function BreakerDial({ state, failureRate, outcomes, children }: DialProps) {
  const rate = failureRate ?? 0;
  const core = 7 + Math.min(12, Math.log2(1 + outcomes) * 1.5);
  const said = `${t(state)}, ${t('failureRate')} ${failureRate === undefined ? '–' : formatShare(failureRate)}`;
  return (
    <div class={`dial ${state === 'halfOpen' ? 'half-open' : state}`}>
      <svg viewBox="0 0 64 64" role="img" aria-label={said}>
        <circle class="track" cx="32" cy="32" r="26" />
        <circle
          class="rate"
          cx="32"
          cy="32"
          r="26"
          transform="rotate(-90 32 32)"
          stroke-dasharray={`${rate * AROUND} ${AROUND}`}
        />
        <circle class="core" cx="32" cy="32" r={core} />
      </svg>
      <div>{children}</div>
    </div>
  );
}
