import { Select } from '../kit/field';
import { formatMilliseconds, formatNumber } from '../kit/i18n';
import { Card } from '../kit/shell';
import { kitWords } from '../kit/words';
import type { BreakerPhase, BreakerRun, BreakerScenario } from './engine/run-breaker';
import type { BreakerForm } from './link';
import { NumberField, type PartProps } from './parts';
import { useAnswer } from './use-answer';
import { words as t } from './words';

const FAILS_FROM_MS = 5_000;
/** After the trouble: long enough for a probe after the longest usual pause. */
const AFTER_MS = 35_000;

/** An endpoint, or a subset, that fails for a while, and what the policy's breaker makes of it. */
export function BreakerCard({ state, onChange, text, outline }: PartProps) {
  const form = state.breaker;
  const set = (part: Partial<BreakerForm>): void => onChange({ breaker: { ...form, ...part } });
  const subsets = outline?.subsets.map(({ name }) => name) ?? [];
  const subset = subsets.includes(form.subset) ? form.subset : (subsets.at(-1) ?? '');
  const run = useAnswer(outline && { kind: 'breaker', text, scenario: scenarioOf({ ...form, subset }) });
  return (
    <Card title={t('breaker')}>
      <div class="stack">
        <p class="quiet">{t('breakerAbout')}</p>
        <div class="play-fields">
          <Select
            label={t('level')}
            value={form.level}
            options={(['endpoint', 'subset'] as const).map((value) => ({ value, label: t(`level.${value}`) }))}
            onChange={(level) => set({ level: level === 'subset' ? 'subset' : 'endpoint' })}
          />
          <Select
            label={t('subset')}
            value={subset}
            options={subsets.map((value) => ({ value, label: value }))}
            onChange={(chosen) => set({ subset: chosen })}
          />
          <Select
            label={t('how')}
            value={form.isSilent ? 'silent' : 'error'}
            options={(['error', 'silent'] as const).map((value) => ({ value, label: t(value) }))}
            onChange={(how) => set({ isSilent: how === 'silent' })}
          />
          <NumberField
            label={t('failing')}
            name="failingPercent"
            value={form.failingPercent}
            onNumber={(failingPercent) => set({ failingPercent })}
          />
          <NumberField
            label={t('failsFor')}
            name="failsForS"
            value={form.failsForS}
            onNumber={(failsForS) => set({ failsForS })}
          />
          <NumberField
            label={t('callsPerSecond')}
            name="callsPerSecond"
            value={form.callsPerSecond}
            onNumber={(callsPerSecond) => set({ callsPerSecond })}
          />
        </div>
        {run !== undefined && <Run run={run} failsForS={form.failsForS} />}
      </div>
    </Card>
  );
}

function scenarioOf({ failsForS, ...form }: BreakerForm): BreakerScenario {
  const failsUntilMs = FAILS_FROM_MS + failsForS * 1_000;
  return { ...form, failsFromMs: FAILS_FROM_MS, failsUntilMs, durationMs: failsUntilMs + AFTER_MS, seed: 1 };
}

interface RunProps {
  readonly run: BreakerRun;
  readonly failsForS: number;
}

function Run({ run, failsForS }: RunProps) {
  const { totals, failedWithout, openedAfterMs, closedAfterMs, states } = run;
  const because = states.find(({ state }) => state === 'open')?.because ?? '';
  return (
    <>
      <Timeline run={run} failsForS={failsForS} />
      <ul class="legend">
        {(['served', 'failed', 'elsewhere'] as const).map((what) => (
          <li key={what}>
            <span class={`swatch ${FILL[what]}`} />
            {t(what)} <strong>{formatNumber(totals[what])}</strong>
          </li>
        ))}
        <li>
          <span class="swatch play-warn" />
          {t('trouble')}
        </li>
      </ul>
      <ul class="legend">
        {(['closed', 'halfOpen', 'open'] as const).map((state) => (
          <li key={state}>
            <span class={`swatch ${STATE_FILL[state]}`} />
            {kitWords(state)}
          </li>
        ))}
      </ul>
      <div class="play-said" role="status">
        <p>
          {openedAfterMs === undefined
            ? t('neverOpened')
            : t('opened', { ms: formatMilliseconds(openedAfterMs), because })}
        </p>
        {openedAfterMs !== undefined && (
          <p>
            {closedAfterMs === undefined
              ? t('neverClosed')
              : t('closedAgain', { ms: formatMilliseconds(closedAfterMs) })}
          </p>
        )}
        <p>{t('breakerSum', { failed: formatNumber(totals.failed), without: formatNumber(failedWithout) })}</p>
      </div>
      <details>
        <summary>{t('phases')}</summary>
        <table>
          <thead>
            <tr>
              <th scope="col">{t('from')}</th>
              <th scope="col">{t('state')}</th>
              <th scope="col">{t('because')}</th>
            </tr>
          </thead>
          <tbody>
            {states.map((phase) => (
              <tr key={phase.fromMs}>
                <td class="number">{formatNumber(phase.fromMs / 1_000, 2)} s</td>
                <td>{kitWords(phase.state)}</td>
                <td>{phase.because}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </details>
    </>
  );
}

const FILL = { served: 'part-1', failed: 'part-bad', elsewhere: 'part-0' } as const;
const STATE_FILL = { closed: 'play-good', halfOpen: 'play-warn', open: 'part-bad' } as const;
const HEIGHT = 70;
const STRIP = 8;
const TROUBLE = 3;

/** The trouble above, calls as stacked bars, and the breaker's state below them. */
function Timeline({ run: { bins, binMs, states, totals }, failsForS }: RunProps) {
  const most = Math.max(1, ...bins.map(({ served, failed, elsewhere }) => served + failed + elsewhere));
  const seconds = Math.round((bins.length * binMs) / 1_000);
  const counts = {
    served: formatNumber(totals.served),
    failed: formatNumber(totals.failed),
    elsewhere: formatNumber(totals.elsewhere),
  };
  return (
    <figure class="chart">
      <svg
        class="play-timeline"
        viewBox={`0 ${-TROUBLE - 2} ${bins.length} ${TROUBLE + 2 + HEIGHT + STRIP + 4}`}
        preserveAspectRatio="none"
        role="img"
        aria-label={t('breakerChart', { seconds, ...counts })}
      >
        <rect
          class="fill-trouble"
          x={FAILS_FROM_MS / binMs}
          y={-TROUBLE - 2}
          width={(failsForS * 1_000) / binMs}
          height={TROUBLE}
        />
        {bins.map((bin, at) => {
          let top = HEIGHT;
          return (['served', 'failed', 'elsewhere'] as const).map((what) => {
            const height = (bin[what] / most) * HEIGHT;
            top -= height;
            return <rect key={`${at} ${what}`} class={`fill-${what}`} x={at} y={top} width={0.85} height={height} />;
          });
        })}
        {states.map((phase: BreakerPhase) => (
          <rect
            key={phase.fromMs}
            class={`fill-${phase.state}`}
            x={phase.fromMs / binMs}
            y={HEIGHT + 4}
            width={(phase.untilMs - phase.fromMs) / binMs}
            height={STRIP}
          />
        ))}
      </svg>
      <div class="play-axis" aria-hidden="true">
        <span>{t('start')}</span>
        <span>{t('end', { seconds })}</span>
      </div>
    </figure>
  );
}
