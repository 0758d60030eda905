import { useState } from 'preact/hooks';
import type { AnalysisResult, CheckResult } from '../../ops/rollout/analysis/verdict';
import { Badge, Notice, type Tone } from '../kit/badge';
import { formatNumber } from '../kit/i18n';
import { Card } from '../kit/shell';
import { useStore } from '../kit/store';
import { Table } from '../kit/table';
import { Refusal } from './access';
import type { RolloutStatus, RolloutTold } from './answers';
import { facts, ofService, useAsked } from './api';
import { WriteDialog } from './change';
import { ago, dateAndTime, shortAuthor, stateTone, stateWord } from './say';
import { words as t } from './words';

const LOOK_MS = 2_000;

/** How far a rollout is, what its figures say, and its controls. */
export function RolloutTab({ service }: { readonly service: string }) {
  const { told, refused, isLoading, reload } = useAsked<RolloutTold | null>(ofService(service, 'rollout'), LOOK_MS);
  if (isLoading) return <p class="empty">{t('loading')}</p>;
  if (refused !== undefined) return <Refusal refused={refused} />;
  if (told === undefined) return null;
  if (told.result === null) return <Card title={t('part.rollout')}>{t('noRollout')}</Card>;
  const { status, history } = told.result;
  return (
    <>
      <StatusCard {...{ service, status, reload }} />
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
  const { id, state, step, steps, weight, waitingFor, controller, hasEnded, startedAt, startedBy } = status;
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
        <ol class="team-steps" aria-label={t('steps')}>
          {steps.map((each, at) => (
            <li
              key={at}
              class={at < step || state.kind === 'completed' ? 'done' : at === step ? `now ${state.kind}` : ''}
              aria-current={at === step && !hasEnded ? 'step' : undefined}
            >
              {describeStep(each)}
            </li>
          ))}
        </ol>
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

/** Of a step: its one key, and what stands there. Steps that this page does not know are shown as they are written. */
function describeStep(step: RolloutStatus['steps'][number]): string {
  if ('setWeight' in step) return `${step.setWeight} %`;
  if ('analysis' in step) return t('stepAnalysis');
  if ('setRoute' in step) return t('stepRoute', { name: step.setRoute.name });
  if ('gate' in step) return t('stepGate', { name: step.gate });
  if ('approval' in step)
    return [t('stepApproval'), step.approval.note].filter((part) => part !== undefined).join(': ');
  if ('pause' in step) {
    const { durationMs } = step.pause;
    return durationMs === undefined ? t('stepPause') : t('stepPauseFor', { n: formatNumber(durationMs / 1000) });
  }
  return Object.entries(step as object)
    .map(([key, value]) => `${key} ${typeof value === 'string' ? value : JSON.stringify(value)}`)
    .join(' ');
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
          </section>
        ))}
      </div>
    </Card>
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
