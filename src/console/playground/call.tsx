import type { RoutingExplanation } from '../../policy/routing/explain';
import { Badge } from '../kit/badge';
import { TextField } from '../kit/field';
import { formatMilliseconds, formatNumber } from '../kit/i18n';
import { ShareBar, ShareLegend, type SharePart } from '../kit/shares';
import { Card } from '../kit/shell';
import { type PartProps, partOf } from './parts';
import { useAnswer } from './use-answer';
import { words as t } from './words';

/** The form of one call, where it goes, and why. */
export function CallCard(props: PartProps) {
  const { text, call, outline } = props;
  const explanation = useAnswer({ kind: 'explain', text, call });
  const subsets = outline?.subsets.map(({ name }) => name) ?? [];
  return (
    <Card title={t('call')}>
      <div class="stack">
        <CallForm {...props} />
        <div class="play-decision" role="status" aria-label={t('decision')}>
          {explanation !== undefined && <Decision explanation={explanation} subsets={subsets} />}
        </div>
      </div>
    </Card>
  );
}

function CallForm({ state, onChange, outline }: PartProps) {
  const { labels } = state;
  const setLabel = (at: number, pair: readonly [string, string]): void => onChange({ labels: labels.with(at, pair) });
  const known = outline?.labelKeys ?? [];
  return (
    <form class="stack" onSubmit={(event) => event.preventDefault()}>
      <TextField label={t('method')} isMono value={state.method} onInput={(method) => onChange({ method })} />
      <fieldset class="play-labels">
        <legend>{t('labels')}</legend>
        {labels.map(([key, value], at) => (
          <div class="play-label" key={at}>
            <TextField
              label={t('labelKey', { n: at + 1 })}
              isBare
              isMono
              value={key}
              suggestions={known}
              onInput={(typed) => setLabel(at, [typed, value])}
            />
            <TextField
              label={t('labelValue', { n: at + 1 })}
              isBare
              isMono
              value={value}
              onInput={(typed) => setLabel(at, [key, typed])}
            />
            <button
              type="button"
              class="button plain"
              aria-label={t('removeLabel', { n: at + 1 })}
              onClick={() => onChange({ labels: labels.toSpliced(at, 1) })}
            >
              ×
            </button>
          </div>
        ))}
        <button type="button" class="button" onClick={() => onChange({ labels: [...labels, ['', '']] })}>
          {t('addLabel')}
        </button>
      </fieldset>
      <div class="play-fields">
        <TextField
          label={t('caller')}
          hint={t('callerHint')}
          isMono
          value={state.caller}
          onInput={(caller) => onChange({ caller })}
        />
        {(outline?.laneLabels.length ?? 0) > 0 && (
          <TextField
            label={t('lanes')}
            hint={t('lanesHint')}
            isMono
            value={state.lanes}
            onInput={(lanes) => onChange({ lanes })}
          />
        )}
      </div>
    </form>
  );
}

interface DecisionProps {
  readonly explanation: RoutingExplanation;
  readonly subsets: readonly string[];
}

function Decision({ explanation, subsets }: DecisionProps) {
  const { decision, sticky, bucket, routes } = explanation;
  const split = decision.by === 'route' ? (routes.find(({ result }) => result === 'matched')?.split ?? []) : [];
  const parts = split.map(({ to, percent }): SharePart => ({ label: to, amount: percent, part: partOf(subsets, to) }));
  return (
    <>
      <p class="play-goes">
        <span class={`swatch part-${partOf(subsets, decision.subset) % 6}`} />
        <strong>{decision.lane === undefined ? decision.subset : `${decision.subset} ${decision.lane}`}</strong>{' '}
        <span>{decidedBy(explanation)}</span>{' '}
        {decision.strict && (
          <Badge tone="accent" title={t('strictHint')}>
            {t('strict')}
          </Badge>
        )}
      </p>
      {parts.length > 1 && (
        <div class="stack">
          <ShareBar label={t('decision')} parts={parts} />
          <div class="row">
            <ShareLegend parts={parts} />
            <span class="quiet">
              {sticky ? t('sticky') : t('byChance')}
              {bucket !== undefined && `, ${t('bucket', { bucket: formatNumber(bucket) })}`}
            </span>
          </div>
        </div>
      )}
      <Steps explanation={explanation} />
      <Facts explanation={explanation} />
    </>
  );
}

function decidedBy({ decision, lane }: RoutingExplanation): string {
  switch (decision.by) {
    case 'route':
      return t('byRoute', { route: decision.route });
    case 'override':
      return t('byOverride');
    case 'lane':
      return t('byLane', { lane: lane?.asked ?? '' });
    default:
      return t('byDefault');
  }
}

/** Rows that are shown; beyond them, the last ones before the decision tell most. */
const MOST_STEPS = 30;

/** Each route in order, until one matches. */
function Steps({ explanation: { routes } }: { readonly explanation: RoutingExplanation }) {
  if (routes.length === 0) return null;
  const matched = routes.findIndex(({ result }) => result === 'matched');
  const end = matched === -1 ? routes.length : Math.max(matched + 1, Math.min(routes.length, MOST_STEPS));
  const shown = routes.slice(Math.max(0, end - MOST_STEPS), end);
  const more = routes.length - shown.length;
  return (
    <>
      <h3>{t('steps')}</h3>
      <ol class="play-steps">
        {shown.map(({ name, result, reason }) => (
          <li key={name} class={result}>
            <span class="mark" aria-hidden="true">
              {MARKS[result]}
            </span>
            <span>
              <strong>{name}</strong> {t(result)}
              {reason !== undefined && <code class="play-reason">{reason}</code>}
            </span>
          </li>
        ))}
      </ol>
      {more > 0 && <p class="quiet">{t('moreSteps', { n: more })}</p>}
    </>
  );
}

const MARKS = { matched: '✓', missed: '×', skipped: '–' } as const;

/** What else the plan says of the call, where it says something. */
function Facts({ explanation }: { readonly explanation: RoutingExplanation }) {
  const { decision, lane, override, labels } = explanation;
  const { chain, places, timeoutMs, attemptTimeoutMs, mirror, requestHeaders, responseHeaders } = decision;
  const first = places?.[0];
  const facts: readonly (readonly [string, string | undefined])[] = [
    [t('chain'), chain.length > 1 ? chain.slice(1).join(' → ') : undefined],
    [t('places'), first?.map((place) => (place === '' ? t('here') : place)).join(' → ')],
    [t('lane'), lane && `${lane.asked}: ${lane.reason ?? t('laneFound')}`],
    [t('override'), overrideText(override)],
    [t('mirror'), mirror && (mirror.skipped ?? t('mirrored', { percent: mirror.percent, to: mirror.to }))],
    [t('faults'), explanation.faults?.map(({ name, effect }) => `${name}: ${effect}`).join('; ')],
    [t('headers'), [...(requestHeaders ?? []), ...(responseHeaders ?? [])].join(', ') || undefined],
    [t('timeout'), timeoutMs === undefined ? undefined : formatMilliseconds(timeoutMs)],
    [
      t('attemptTimeout'),
      typeof attemptTimeoutMs === 'number' ? formatMilliseconds(attemptTimeoutMs) : attemptTimeoutMs,
    ],
    [t('runs'), decision.runs],
    [t('looked'), lookedAt(labels)],
  ];
  return (
    <dl class="play-facts">
      {facts.map(
        ([name, value]) =>
          value !== undefined && (
            <div key={name}>
              <dt>{name}</dt>
              <dd>{value}</dd>
            </div>
          ),
      )}
    </dl>
  );
}

function overrideText(override: RoutingExplanation['override']): string | undefined {
  if (override === undefined) return undefined;
  const { inForce, until = '', reason = t('noReason') } = override;
  return inForce ? t('overrideInForce', { until, reason }) : t('overrideEnded');
}

function lookedAt(labels: RoutingExplanation['labels']): string | undefined {
  const seen = Object.entries(labels).map(([key, value]) => `${key}=${value ?? t('missing')}`);
  return seen.length === 0 ? undefined : seen.join(' ');
}
