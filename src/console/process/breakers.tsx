import type { BreakerView } from '../../client/breaker/view';
import { Badge } from '../kit/badge';
import { BreakerDial } from '../kit/dial';
import { formatMilliseconds, formatNumber } from '../kit/i18n';
import { Card } from '../kit/shell';
import { kitWords } from '../kit/words';
import { detailOf, type ProcessState } from './state';
import { words as t } from './words';

const MOST_DIALS = 24;

/** Each breaker with its state, rate and countdown: those of subsets and those that are not closed first. */
export function Breakers({ state }: { readonly state: ProcessState }) {
  const breakers = [...(detailOf(state, 'breakers') ?? [])].sort((a, b) => rank(a) - rank(b));
  const guards = detailOf(state, 'guards') ?? [];
  const closed = breakers.filter((each) => each.state === 'closed').length;
  return (
    <Card title={t('breakers')} aside={breakers.length === 0 ? undefined : t('closedBreakers', { n: closed })}>
      {breakers.length === 0 ? (
        <p class="empty">{t('noBreakers')}</p>
      ) : (
        <ul class="process-dials">
          {breakers.slice(0, MOST_DIALS).map((breaker) => (
            <li key={breaker.key}>
              <Dial breaker={breaker} />
            </li>
          ))}
        </ul>
      )}
      {guards.map(({ subset, against, counts, againstCounts, heldForMs, because }) => (
        <p key={subset} class="row">
          <strong>{t('guard', { subset, against })}</strong>
          <Badge tone={heldForMs === undefined ? 'quiet' : 'bad'}>
            {t(heldForMs === undefined ? 'guard.watches' : 'guard.sheds')}
          </Badge>
          <span class="quiet">
            {because ??
              t('guard.counts', {
                failures: counts.failures,
                calls: counts.calls,
                againstFailures: againstCounts.failures,
                againstCalls: againstCounts.calls,
              })}
          </span>
        </p>
      ))}
    </Card>
  );
}

function rank({ level, state, counts }: BreakerView): number {
  if (state !== 'closed') return level === 'subset' ? 0 : 1;
  if (level === 'subset') return 2;
  return counts.failures > 0 ? 3 : 4;
}

function Dial({ breaker }: { readonly breaker: BreakerView }) {
  const { key, state, isEnabled, counts, probesInMs, heldForMs, openedBecause, lastFailure } = breaker;
  const all = counts.successes + counts.failures;
  const shown = isEnabled ? state : 'off';
  const tone = shown === 'closed' ? 'good' : shown === 'open' ? 'bad' : shown === 'halfOpen' ? 'warn' : 'quiet';
  return (
    <BreakerDial state={shown} failureRate={all === 0 ? undefined : counts.failures / all} outcomes={all}>
      <div class="mono process-key">{key}</div>
      <div class="row">
        <Badge tone={tone}>{kitWords(shown)}</Badge>
        {state === 'open' && probesInMs !== undefined && (
          <span class="quiet">{t('probeIn', { time: countdown(probesInMs) })}</span>
        )}
        {heldForMs !== undefined && <span class="quiet">{t('heldFor', { time: countdown(heldForMs) })}</span>}
        <span class="quiet">{t('outcomes', { failures: formatNumber(counts.failures), all: formatNumber(all) })}</span>
      </div>
      {state !== 'closed' && <div class="quiet process-reason">{openedBecause ?? lastFailure?.reason}</div>}
    </BreakerDial>
  );
}

/** Whole seconds: the state comes once a second. */
function countdown(ms: number): string {
  return formatMilliseconds(Math.max(0, Math.round(ms / 1_000)) * 1_000);
}
