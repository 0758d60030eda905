import { useState } from 'preact/hooks';
import type { AnalysisResult, CheckResult } from '../../ops/rollout/analysis/verdict';
import { Badge, Notice, type Tone } from '../kit/badge';
import { Chart } from '../kit/chart';
import { formatMilliseconds, formatNumber } from '../kit/i18n';
import { Card } from '../kit/shell';
import { useStore } from '../kit/store';
import { Table } from '../kit/table';
import { Refusal } from './access';
import type { RolloutStatus, RolloutTold } from './answers';
import { facts, ofService, useAsked } from './api';
import { WriteDialog } from './change';
import { Steps } from './rollout-steps';
import { ago, dateAndTime, shortAuthor, stateTone, stateWord } from './say';
import { StartRollout } from './start-rollout';
import { words as t } from './words';

const LOOK_MS = 2_000;

/** How far a rollout is, what its figures say, and its controls. */
export function RolloutTab({ service }: { readonly service: string }) {
  const { told, refused, isLoading, reload } = useAsked<RolloutTold | null>(ofService(service, 'rollout'), LOOK_MS);
  if (isLoading) return <p class="empty">{t('loading')}</p>;
  const refusal = refused !== undefined && <Refusal refused={refused} />;
  if (told === undefined) return refusal || null;
  if (told.result === null) {
    return (
      <>
        {refusal}
        <Card title={t('part.rollout')}>{t('noRollout')}</Card>
        <StartRollout service={service} onDone={reload} />
      </>
    );
  }
  const { status, history } = told.result;
  return (
    <>
      {refusal}
      <StatusCard {...{ service, status, reload }} />
      {status.hasEnded && <StartRollout service={service} onDone={reload} />}
      {status.results.length > 0 && <EvidenceCard results={status.results} />}
      <Card title={t('whatHappened')}>
        <Table
          label={t('whatHappened')}
          rows={(history?.transitions ?? []).toReversed()}
          keyOf={({ number }) => String(number)}
          step={20}
          columns={[
            { key: 'at', label: t('time'), render: ({ at }) => dateAndTime(at) },
            { key: 'event', label: t('event'), render: ({ event }) => event },
            { key: 'step', label: t('step'), isNumber: true, render: ({ step }) => step + 1 },
            { key: 'weight', label: t('weight'), isNumber: true, render: ({ weight }) => `${weight} %` },
            { key: 'by', label: t('author'), render: ({ by }) => shortAuthor(by) },
            { key: 'message', label: t('message'), render: ({ message }) => message },
          ]}
        />
      </Card>
      {(history?.past ?? []).length > 0 && (
        <Card title={t('pastRollouts')}>
          <Table
            label={t('pastRollouts')}
            rows={(history?.past ?? []).toReversed()}
            keyOf={({ id }) => id}
            columns={[
              { key: 'id', label: t('rollout'), render: ({ id }) => id },
              { key: 'began', label: t('began'), render: ({ startedAt }) => dateAndTime(startedAt) },
              {
                key: 'result',
                label: t('result'),
                render: ({ result }) => <Badge tone={stateTone(result)}>{stateWord(result)}</Badge>,
              },
              { key: 'by', label: t('author'), render: ({ startedBy }) => shortAuthor(startedBy) },
              { key: 'message', label: t('message'), render: ({ message }) => message },
            ]}
          />
        </Card>
      )}
    </>
  );
}

function StatusCard(props: { readonly service: string; readonly status: RolloutStatus; readonly reload: () => void }) {
  const { service, status, reload } = props;
  const { id, state, weight, waitingFor, controller, hasEnded, startedAt, startedBy } = status;
  return (
    <Card title={id} aside={`${ago(startedAt)}, ${shortAuthor(startedBy)}`}>
      <div class="stack">
        <p class="row">
          <Badge tone={stateTone(state.kind)}>{stateWord(state.kind)}</Badge>
          <span>{t('canaryAt', { weight })}</span>
          {'message' in state && state.message !== '' && <span class="quiet">{state.message}</span>}
        </p>
        {waitingFor !== undefined && <Notice tone="warn">{t('waitsFor', { what: waitingFor })}</Notice>}
        {!hasEnded && controller === null && <Notice tone="warn">{t('noController')}</Notice>}
        <Steps steps={status.steps} status={status} />
        <Controls {...{ service, status, reload }} />
      </div>
    </Card>
  );
}

type Action = 'pause' | 'resume' | 'approve' | 'promote' | 'promote-full' | 'abort';

function Controls(props: { readonly service: string; readonly status: RolloutStatus; readonly reload: () => void }) {
  const { service, status, reload } = props;
  const [action, setAction] = useState<Action | undefined>();
  const isReadOnly = useStore(facts)?.isReadOnly === true;
  if (status.hasEnded || isReadOnly) return null;
  const { state } = status;
  const isToApprove = state.kind === 'paused' && state.why === 'approval';
  const first = isToApprove ? 'approve' : state.kind === 'running' ? 'pause' : 'resume';
  const actions: readonly Action[] = [first, 'promote', 'promote-full', 'abort'];
  return (
    <div class="row">
      {actions.map((each) => (
        <button
          key={each}
          type="button"
          class={`button ${each === 'abort' ? 'danger' : each === 'approve' ? 'primary' : ''}`}
          onClick={() => setAction(each)}
        >
          {t(`action.${each}`)}
        </button>
      ))}
      {action !== undefined && (
        <WriteDialog
          title={t(`action.${action}`)}
          verb={t(`action.${action}`)}
          write={{ method: 'PUT', path: ofService(service, 'rollout'), body: { action } }}
          onClose={() => setAction(undefined)}
          onDone={reload}
        >
          <p>{t(`about.${action}`)}</p>
        </WriteDialog>
      )}
    </div>
  );
}

const VERDICTS: Readonly<Record<string, Tone>> = { pass: 'good', fail: 'bad', error: 'warn', undecided: 'accent' };

/** The newest measurement: what each check says, and how near it is to an alarm. */
function EvidenceCard({ results }: { readonly results: readonly AnalysisResult[] }) {
  const last = results.at(-1);
  if (last === undefined) return null;
  return (
    <Card title={t('evidence')} aside={dateAndTime(new Date(last.atMs).toISOString())}>
      <div class="stack">
        {last.checks.map((check) => (
          <section key={check.check} class="stack" aria-label={check.check}>
            <p class="row">
              <strong>{check.check}</strong>
              <Badge tone={VERDICTS[check.verdict] ?? 'quiet'}>{check.verdict}</Badge>
            </p>
            <p>{check.message}</p>
            <Evidence check={check} />
            <Measured name={check.check} results={results} />
          </section>
        ))}
      </div>
    </Card>
  );
}

/** What was measured so far, of canary and stable. */
function Measured({ name, results }: { readonly name: string; readonly results: readonly AnalysisResult[] }) {
  const measured = results.flatMap(({ atMs, checks }) => {
    const figures = checks.find(({ check }) => check === name)?.figures;
    return figures === undefined ? [] : [{ atMs, figures }];
  });
  const lines = (['stable', 'canary'] as const).map((subset, part) => {
    const values = measured.map(({ figures }) => figures[subset] ?? null);
    return { label: subset, color: `part-${part}`, values };
  });
  if (measured.length < 2 || lines.every(({ values }) => values.every((value) => value === null))) return null;
  const format = name.startsWith('request-duration')
    ? formatMilliseconds
    : (share: number): string => `${formatNumber(share * 100, 1)} %`;
  const newest = lines.map(({ label, values }) => {
    const last = values.findLast((value) => value !== null);
    return `${label} ${last === undefined || last === null ? '–' : format(last)}`;
  });
  return (
    <>
      <Chart
        label={`${name}: ${newest.join(', ')}`}
        times={measured.map(({ atMs }) => atMs / 1000)}
        series={lines}
        format={format}
        height={120}
      />
      <ul class="legend">
        {lines.map(({ label, color }) => (
          <li key={label}>
            <span class={`swatch ${color}`} />
            {label}
          </li>
        ))}
      </ul>
    </>
  );
}

/** The likelihood ratio against the canary on its way to the limit, on a scale of orders of magnitude. */
function Evidence({ check: { check, figures } }: { readonly check: CheckResult }) {
  const { evidence, alarmAt } = figures ?? {};
  if (evidence === undefined || alarmAt === undefined || alarmAt <= 1) return null;
  const part = Math.max(0, Math.min(1, Math.log(Math.max(evidence, 1)) / Math.log(alarmAt)));
  const words = t('evidenceOf', { evidence: formatNumber(evidence, 1), alarmAt: formatNumber(alarmAt) });
  return (
    <div class="team-evidence">
      <meter min={0} max={1} high={0.7} value={part} aria-label={`${check}: ${words}`} />
      <span class="quiet">{words}</span>
    </div>
  );
}
