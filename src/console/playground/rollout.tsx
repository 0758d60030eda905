import { Editor } from '../editor/editor';
import { Badge, type Tone } from '../kit/badge';
import { formatMilliseconds, formatNumber } from '../kit/i18n';
import { Card } from '../kit/shell';
import type { RolloutEnd, RolloutScenario } from './engine/run-rollout';
import type { TrafficForm } from './link';
import { NumberField, type PartProps } from './parts';
import { useAnswer } from './use-answer';
import { words as t } from './words';

const NONE = [] as const;

/** A rollout by the engine of the controller, against a canary that behaves as somebody says. */
export function RolloutCard({ state, onChange, outline }: PartProps) {
  const { traffic, rollout } = state;
  const set = (part: Partial<TrafficForm>): void => onChange({ traffic: { ...traffic, ...part } });
  const run = useAnswer({ kind: 'rollout', text: rollout, scenario: scenarioOf(traffic) });
  const number = (name: keyof TrafficForm, label: string, step = 1) => (
    <NumberField
      label={label}
      name={name}
      step={step}
      value={traffic[name]}
      onNumber={(value) => set({ [name]: value })}
    />
  );
  return (
    <Card title={t('rollout')}>
      <div class="stack">
        <p class="quiet">{t('rolloutAbout')}</p>
        <Editor
          label={t('rolloutLabel')}
          text={rollout}
          onText={(text) => onChange({ rollout: text })}
          document="rollout"
          subsets={outline?.subsets.map(({ name }) => name) ?? NONE}
          problems={run?.problems ?? NONE}
          warnings={NONE}
        />
        {run !== undefined && run.problems.length > 0 && (
          <ul class="play-problems" aria-label={t('problems')}>
            {run.problems.map(({ message, line }) => (
              <li key={message}>
                {line === undefined ? '' : `${t('goTo', { line })}: `}
                {message}
              </li>
            ))}
          </ul>
        )}
        <div class="play-fields">
          {number('stableFailing', t('stableFailing'), 0.1)}
          {number('canaryFailing', t('canaryFailing'), 0.1)}
          {number('stableMs', t('stableMs'))}
          {number('canaryMs', t('canaryMs'))}
          {number('callsPerSecond', t('callsPerSecond'))}
          {number('seed', t('seed'))}
        </div>
        {run?.end !== undefined && <End end={run.end} />}
      </div>
    </Card>
  );
}

function scenarioOf(traffic: TrafficForm): RolloutScenario {
  const { callsPerSecond, stableFailing, canaryFailing, stableMs, canaryMs, seed } = traffic;
  return {
    callsPerSecond,
    seed,
    stable: { failing: stableFailing / 100, medianMs: stableMs },
    canary: { failing: canaryFailing / 100, medianMs: canaryMs },
  };
}

const TONES: Readonly<Record<RolloutEnd['kind'], Tone>> = {
  completed: 'good',
  aborted: 'bad',
  paused: 'accent',
  inconclusive: 'warn',
  cut: 'warn',
};

function End({ end }: { readonly end: RolloutEnd }) {
  const { kind, message, elapsedMs, canaryCalls, canaryFailures, moments } = end;
  const measured = moments.filter(({ result }) => result !== undefined);
  return (
    <>
      <WeightLine end={end} />
      <div role="status" class="play-said">
        <p>
          <Badge tone={TONES[kind]}>{t(`end.${kind}`)}</Badge>{' '}
          {t('rolloutSum', {
            time: formatMilliseconds(elapsedMs),
            calls: formatNumber(canaryCalls),
            failures: formatNumber(canaryFailures),
          })}
        </p>
        {message !== undefined && <p class="quiet">{message}</p>}
      </div>
      <details>
        <summary>{t('measurements', { n: measured.length })}</summary>
        <table>
          <thead>
            <tr>
              <th scope="col">{t('time')}</th>
              <th scope="col">{t('weight')}</th>
              <th scope="col">{t('verdict')}</th>
              <th scope="col">{t('evidence')}</th>
            </tr>
          </thead>
          <tbody>
            {measured.map(({ atMs, weight, result }) => (
              <tr key={atMs}>
                <td>{formatMilliseconds(atMs)}</td>
                <td>{weight} %</td>
                <td>{result && t(`verdict.${result.verdict}`)}</td>
                <td>
                  {result?.checks.map(({ check, message: said }) => (
                    <p key={check}>{`${check}: ${said}`}</p>
                  ))}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </details>
    </>
  );
}

const WIDTH = 300;
const HEIGHT = 100;

/** The canary's weight as steps, and each measurement as a mark of its verdict. */
function WeightLine({ end: { moments, elapsedMs } }: { readonly end: RolloutEnd }) {
  // What it ended with is seen for a while.
  const shownMs = elapsedMs * 1.06;
  const x = (atMs: number): number => (shownMs === 0 ? 0 : (atMs / shownMs) * WIDTH);
  const y = (weight: number): number => HEIGHT - weight;
  const weights = moments.filter(({ result }) => result === undefined);
  let path = `M0 ${y(0)}`;
  for (const { atMs, weight } of weights) path += `H${x(atMs)}V${y(weight)}`;
  path += `H${WIDTH}`;
  const said = weights.map(({ weight }) => `${weight} %`).join(', ');
  return (
    <svg
      class="play-weight-line"
      viewBox={`-2 -6 ${WIDTH + 4} ${HEIGHT + 12}`}
      preserveAspectRatio="none"
      role="img"
      aria-label={t('rolloutChart', { time: formatMilliseconds(elapsedMs), weights: said })}
    >
      <path class="under" d={`${path}V${y(0)}Z`} />
      <path class="line" d={path} vector-effect="non-scaling-stroke" />
      {moments.map(
        ({ atMs, weight, result }) =>
          result !== undefined && (
            <line
              key={atMs}
              class={`tick-${result.verdict}`}
              x1={x(atMs)}
              x2={x(atMs)}
              y1={y(weight) - 5}
              y2={y(weight) + 5}
              vector-effect="non-scaling-stroke"
            />
          ),
      )}
    </svg>
  );
}
