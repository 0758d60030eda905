import { useState } from 'preact/hooks';
import { Badge, Notice } from '../kit/badge';
import { TextField } from '../kit/field';
import { ShareBar, ShareLegend } from '../kit/shares';
import { Card } from '../kit/shell';
import { useStore } from '../kit/store';
import { Table } from '../kit/table';
import { Refusal } from './access';
import type { CallHistoryTold, Change, ExplanationTold } from './answers';
import { facts, ofService } from './api';
import { CheckedWriteDialog } from './change';
import { useChecked } from './checked';
import { ago, dateAndTime, shortAuthor } from './say';
import { words as t } from './words';

interface Call {
  readonly method?: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly caller?: string;
}

/** Why a call goes where it goes, which change sent it there, and the way back. */
export function WhyCard({ service }: { readonly service: string }) {
  const [labels, setLabels] = useState('');
  const [method, setMethod] = useState('');
  const [caller, setCaller] = useState('');
  const [call, setCall] = useState<Call | undefined>();
  const [turn, setTurn] = useState(0);
  const wrong = labels.trim() !== '' && parseLabels(labels) === undefined;
  const ask = (event: Event): void => {
    event.preventDefault();
    const parsed = parseLabels(labels);
    if (parsed === undefined) return;
    setTurn(turn + 1);
    setCall({
      labels: parsed,
      ...(method.trim() === '' ? {} : { method: method.trim() }),
      ...(caller.trim() === '' ? {} : { caller: caller.trim() }),
    });
  };
  return (
    <Card title={t('whyTitle')}>
      <div class="stack">
        <form class="team-form" onSubmit={ask}>
          <TextField
            label={t('labels')}
            value={labels}
            onInput={setLabels}
            placeholder="x-user-id=u-42 x-gray=canary"
            hint={t('labelsHint')}
            error={wrong ? t('labelsWrong') : undefined}
            isMono
          />
          <TextField
            label={t('method')}
            value={method}
            onInput={setMethod}
            placeholder="/shop.v1.Payments/Charge"
            hint={t('optional')}
            isMono
          />
          <TextField
            label={t('caller')}
            value={caller}
            onInput={setCaller}
            placeholder="checkout"
            hint={t('optional')}
            isMono
          />
          <button type="submit" class="button primary">
            {t('explain')}
          </button>
        </form>
        {call !== undefined && (
          <Answer key={turn} service={service} call={call} onChanged={() => setTurn((before) => before + 1)} />
        )}
      </div>
    </Card>
  );
}

/** `key=value`, parted by spaces; undefined for anything else. */
function parseLabels(text: string): Readonly<Record<string, string>> | undefined {
  const parts = text.split(/[\s,;&]+/).filter((part) => part !== '');
  const pairs = parts.map((part) => [part.slice(0, part.indexOf('=')), part.slice(part.indexOf('=') + 1)] as const);
  if (parts.some((part) => part.indexOf('=') < 1)) return undefined;
  return Object.fromEntries(pairs);
}

function Answer(props: { readonly service: string; readonly call: Call; readonly onChanged: () => void }) {
  const { service, call, onChanged } = props;
  const now = useChecked<ExplanationTold>(ofService(service, 'explain'), call);
  const then = useChecked<CallHistoryTold>(ofService(service, 'explain/history'), call);
  return (
    <div class="stack" aria-live="polite">
      {now.refused !== undefined && <Refusal refused={now.refused} />}
      {now.isLoading && <p class="empty">{t('loading')}</p>}
      {now.told?.error !== undefined && <Notice tone="bad">{now.told.error.message}</Notice>}
      {now.told?.result != null && <Decided explanation={now.told.result} />}
      {then.told?.result?.map(({ datacenter, steps }) => (
        <CallHistory
          key={datacenter}
          {...{ service, steps, onChanged }}
          title={then.told?.result.length === 1 ? undefined : datacenter}
        />
      ))}
    </div>
  );
}

function Decided({ explanation }: { readonly explanation: ExplanationTold }) {
  const { routing, tiers, refusal, canServe } = explanation;
  const { decision, sticky, bucket, override, routes, lane, faults = [] } = routing;
  const split = decision.by === 'route' ? (routes.find(({ result }) => result === 'matched')?.split ?? []) : [];
  const isByChance = split.length > 1 && !sticky;
  const parts = split.map(({ to, percent }, part) => ({ label: to, amount: percent, part }));
  return (
    <>
      <p class="team-decision">
        {t('goesTo')} <strong>{isByChance ? t('byChance') : decision.subset}</strong>{' '}
        {t('decidedBy', { by: t(`by.${decision.by}`), route: decision.route })}
        {bucket === undefined ? '' : `, ${t('bucket', { bucket })}`}
      </p>
      {split.length > 1 && (
        <>
          <ShareBar label={decision.route} parts={parts} />
          <ShareLegend parts={parts} />
        </>
      )}
      {override !== undefined && (
        <Notice tone={override.inForce ? 'bad' : 'quiet'}>
          {t(override.inForce ? 'overrideInForce' : 'overrideEnded', {
            until: override.until ?? '–',
            reason: override.reason ?? '–',
          })}
        </Notice>
      )}
      {lane !== undefined && (
        <p class="quiet">
          {t('lane')}: {lane.asked}, {lane.reason ?? lane.result}
        </p>
      )}
      {faults.map(({ name, effect, until }) => (
        <Notice key={name} tone="warn">
          {name}: {effect} ({until})
        </Notice>
      ))}
      {refusal !== undefined && <Notice tone="bad">{refusal}</Notice>}
      {!canServe && refusal === undefined && <Notice tone="bad">{t('nobodyServes')}</Notice>}
      <details>
        <summary>{t('routesAndTiers')}</summary>
        <Table
          label={t('routes')}
          rows={routes}
          keyOf={({ name }) => name}
          columns={[
            { key: 'route', label: t('route'), render: ({ name }) => name },
            {
              key: 'result',
              label: t('result'),
              render: ({ result }) => (
                <Badge tone={result === 'matched' ? 'good' : 'quiet'}>{t(`result.${result}`)}</Badge>
              ),
            },
            { key: 'why', label: t('reason'), render: ({ reason }) => reason ?? '' },
          ]}
        />
        <Table
          label={t('tiers')}
          rows={tiers}
          keyOf={({ number }) => String(number)}
          columns={[
            { key: 'tier', label: t('tier'), isNumber: true, render: ({ number }) => number },
            { key: 'subset', label: t('subset'), render: ({ subset }) => subset },
            { key: 'dc', label: t('datacenter'), render: ({ datacenter }) => datacenter },
            {
              key: 'endpoints',
              label: t('canServe'),
              isNumber: true,
              render: ({ endpoints }) =>
                `${endpoints.filter(({ heldOut }) => heldOut === undefined).length} / ${endpoints.length}`,
            },
          ]}
        />
      </details>
    </>
  );
}

type Steps = CallHistoryTold[number]['steps'];

function CallHistory(props: {
  readonly service: string;
  readonly title: string | undefined;
  readonly steps: Steps;
  readonly onChanged: () => void;
}) {
  const { service, title, steps, onChanged } = props;
  const [back, setBack] = useState<number | undefined>();
  const isReadOnly = useStore(facts)?.isReadOnly === true;
  const cause = steps.find(({ hasMoved }) => hasMoved);
  const before = cause && steps.find(({ number, decision }) => number < cause.number && decision !== undefined);
  if (steps.length === 0) return null;
  return (
    <>
      {title !== undefined && <h3>{title}</h3>}
      {cause === undefined || before === undefined ? (
        <p class="quiet">{t('neverMoved', { n: steps.length })}</p>
      ) : (
        <div class="notice accent team-cause">
          <p>
            {t('movedBy', {
              number: cause.number,
              ago: ago(cause.time),
              author: shortAuthor(cause.author),
              from: before.decision?.to ?? '',
              to: cause.decision?.to ?? '',
            })}{' '}
            <q>{cause.message}</q>
          </p>
          {!isReadOnly && (
            <button type="button" class="button danger" onClick={() => setBack(before.number)}>
              {t('backTo', { number: before.number })}
            </button>
          )}
        </div>
      )}
      <details>
        <summary>{t('callThrough', { n: steps.length })}</summary>
        <Table
          label={t('callThrough', { n: steps.length })}
          rows={steps}
          keyOf={({ number }) => String(number)}
          isLit={({ hasMoved }) => hasMoved}
          columns={[
            { key: 'number', label: '#', isNumber: true, render: ({ number }) => number },
            { key: 'time', label: t('time'), render: ({ time }) => dateAndTime(time) },
            { key: 'to', label: t('wentTo'), render: ({ decision }) => decision?.to ?? t('notValid') },
            { key: 'route', label: t('route'), render: ({ decision }) => decision?.route ?? '' },
            { key: 'author', label: t('author'), render: ({ author }) => shortAuthor(author) },
            { key: 'message', label: t('message'), render: ({ message }) => message },
          ]}
        />
      </details>
      {back !== undefined && (
        <RollbackDialog service={service} number={back} onClose={() => setBack(undefined)} onDone={onChanged} />
      )}
    </>
  );
}

/** Puts an earlier policy in force again, after it has shown what that changes. */
export function RollbackDialog(props: {
  readonly service: string;
  readonly number: number;
  readonly onClose: () => void;
  readonly onDone: () => void;
}) {
  const { service, number, onClose, onDone } = props;
  const body = { revision: String(number) };
  const asked = useChecked<readonly Change[]>(ofService(service, 'rollback/check'), body);
  return (
    <CheckedWriteDialog
      title={t('backTo', { number })}
      verb={t('rollBack')}
      flags={['force']}
      asked={asked}
      write={{ method: 'PUT', path: ofService(service, 'rollback'), body }}
      {...{ onClose, onDone }}
    />
  );
}
