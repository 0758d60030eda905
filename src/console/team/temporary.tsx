import { useEffect, useState } from 'preact/hooks';
import { Badge } from '../kit/badge';
import { Select, TextField } from '../kit/field';
import { routeHref } from '../kit/router';
import { Card } from '../kit/shell';
import { useStore } from '../kit/store';
import { Table } from '../kit/table';
import { Refusal } from './access';
import { type ListedDrill, type ListedOverride, type PolicyTold, subsetsOf } from './answers';
import { facts, ofService, useAsked } from './api';
import { WriteDialog, type WriteDialogProps } from './change';
import { countdown, shortAuthor } from './say';
import { words as t } from './words';

const LOOK_MS = 5_000;

/** Of all services: what ends by itself. */
export function TemporaryPage() {
  return (
    <>
      <Overrides />
      <Drills />
    </>
  );
}

/** The same of one service, and how it is begun. */
export function ServiceTemporary({ service }: { readonly service: string }) {
  const [turn, setTurn] = useState(0);
  const again = (): void => setTurn(turn + 1);
  const { told } = useAsked<PolicyTold>(ofService(service, 'policy'));
  const subsets = subsetsOf(told?.result);
  const isReadOnly = useStore(facts)?.isReadOnly === true;
  return (
    <>
      <Overrides key={`o${turn}`} of={service} />
      {!isReadOnly && <SetOverride {...{ service, subsets }} onDone={again} />}
      <Drills key={`d${turn}`} of={service} />
      {!isReadOnly && <StartDrill {...{ service, subsets }} onDone={again} />}
    </>
  );
}

/** Counts down between two answers. */
function Remaining({ ms }: { readonly ms: number }) {
  const [endsMs, setEnds] = useState(() => performance.now() + ms);
  const [, tick] = useState(0);
  useEffect(() => setEnds(performance.now() + ms), [ms]);
  useEffect(() => {
    const timer = setInterval(() => tick((count) => count + 1), 1_000);
    return () => clearInterval(timer);
  }, []);
  const left = endsMs - performance.now();
  return left > 0 ? <time role="timer">{countdown(left)}</time> : <Badge>{t('ended')}</Badge>;
}

/** Of a row: its name says of which. */
function EndButton({ of, onClick }: { readonly of: string; readonly onClick: () => void }) {
  return (
    <button type="button" class="button" aria-label={`${t('end')}… ${of}`} onClick={onClick}>
      {t('end')}…
    </button>
  );
}

type Ending = Pick<WriteDialogProps, 'title' | 'verb' | 'write'>;

function Overrides({ of }: { readonly of?: string }) {
  const { told, refused, isLoading, reload } = useAsked<readonly ListedOverride[]>('overrides', LOOK_MS);
  const [ending, setEnding] = useState<Ending | undefined>();
  const isReadOnly = useStore(facts)?.isReadOnly === true;
  const rows = (told?.result ?? []).filter(({ service }) => of === undefined || service === of);
  const end = (service: string): Ending => ({
    title: t('endOverride', { service }),
    verb: t('end'),
    write: { method: 'DELETE', path: ofService(service, 'override'), body: {} },
  });
  return (
    <Card title={t('overrides')}>
      {refused !== undefined && <Refusal refused={refused} />}
      {isLoading && <p class="empty">{t('loading')}</p>}
      {told !== undefined && (
        <Table
          label={t('overrides')}
          rows={rows}
          keyOf={({ service, datacenter }) => `${service} ${datacenter}`}
          empty={t('noOverrides')}
          columns={[
            {
              key: 'service',
              label: t('service'),
              render: ({ service }) => <a href={routeHref(['services', service])}>{service}</a>,
            },
            { key: 'what', label: t('override'), render: ({ override }) => describeOverride(override) },
            { key: 'ends', label: t('endsIn'), render: ({ remainingMs }) => <Remaining ms={remainingMs} /> },
            { key: 'by', label: t('author'), render: ({ override }) => shortAuthor(override.by ?? '') },
            { key: 'reason', label: t('reason'), render: ({ override }) => override.reason ?? '' },
            {
              key: 'end',
              label: t('end'),
              render: ({ service }) =>
                isReadOnly ? null : <EndButton of={service} onClick={() => setEnding(end(service))} />,
            },
          ]}
        />
      )}
      {ending !== undefined && <WriteDialog {...ending} onClose={() => setEnding(undefined)} onDone={reload} />}
    </Card>
  );
}

function describeOverride({ to, datacenter }: ListedOverride['override']): string {
  const where = to === undefined ? '' : typeof to === 'string' ? to : Object.values(to).join('/');
  return [where, datacenter === undefined ? '' : t('inDatacenter', { datacenter })]
    .filter((part) => part !== '')
    .join(' ');
}

function Drills({ of }: { readonly of?: string }) {
  const { told, refused, isLoading, reload } = useAsked<readonly ListedDrill[]>('drills', LOOK_MS);
  const [ending, setEnding] = useState<Ending | undefined>();
  const isReadOnly = useStore(facts)?.isReadOnly === true;
  const rows = (told?.result ?? []).filter(({ service }) => of === undefined || service === of);
  const end = ({ service, name }: ListedDrill): Ending => ({
    title: t('endDrill', { name }),
    verb: t('end'),
    write: { method: 'DELETE', path: ofService(service, 'drill'), body: { name } },
  });
  return (
    <Card title={t('drills')}>
      {refused !== undefined && <Refusal refused={refused} />}
      {isLoading && <p class="empty">{t('loading')}</p>}
      {told !== undefined && (
        <Table
          label={t('drills')}
          rows={rows}
          keyOf={({ service, datacenter, name }) => `${service} ${datacenter} ${name}`}
          empty={t('noDrills')}
          columns={[
            {
              key: 'service',
              label: t('service'),
              render: ({ service }) => <a href={routeHref(['services', service])}>{service}</a>,
            },
            { key: 'name', label: t('name'), render: ({ name }) => name },
            { key: 'what', label: t('effect'), render: ({ fault }) => describeFault(fault) },
            { key: 'ends', label: t('endsIn'), render: ({ remainingMs }) => <Remaining ms={remainingMs} /> },
            { key: 'by', label: t('author'), render: ({ fault }) => shortAuthor(fault.by ?? '') },
            { key: 'reason', label: t('reason'), render: ({ fault }) => fault.reason ?? '' },
            {
              key: 'end',
              label: t('end'),
              // Faults of routes stand in the policy itself.
              render: (row) =>
                isReadOnly || row.name.startsWith('route ') ? null : (
                  <EndButton of={`${row.service} ${row.name}`} onClick={() => setEnding(end(row))} />
                ),
            },
          ]}
        />
      )}
      {ending !== undefined && <WriteDialog {...ending} onClose={() => setEnding(undefined)} onDone={reload} />}
    </Card>
  );
}

function describeFault({ abort, delayMs, percent, in: subset, stopAbove }: ListedDrill['fault']): string {
  const what = [abort, delayMs === undefined ? undefined : `+${delayMs} ms`].filter((part) => part !== undefined);
  const where = subset === undefined ? '' : ` → ${subset}`;
  const stop = stopAbove === undefined ? '' : `, ${t('stopsAbove', { percent: stopAbove.failedPercentage })}`;
  return `${percent} %${where}: ${what.join(', ')}${stop}`;
}

interface BeginProps {
  readonly service: string;
  readonly subsets: readonly string[];
  readonly onDone: () => void;
}

const TTLS = ['10m', '30m', '1h', '2h', '1d'].map((value) => ({ value, label: value }));

function SetOverride({ service, subsets, onDone }: BeginProps) {
  const [to, setTo] = useState('');
  const [ttl, setTtl] = useState('30m');
  const [isAsked, setAsked] = useState(false);
  const chosen = to === '' ? (subsets[0] ?? '') : to;
  if (subsets.length === 0) return null;
  return (
    <Card title={t('setOverride')}>
      <div class="team-form">
        <Select
          label={t('allCallsTo')}
          value={chosen}
          options={subsets.map((value) => ({ value, label: value }))}
          onChange={setTo}
        />
        <Select label={t('forHowLong')} value={ttl} options={TTLS} onChange={setTtl} />
        <button type="button" class="button danger" onClick={() => setAsked(true)}>
          {t('setOverride')}…
        </button>
      </div>
      {isAsked && (
        <WriteDialog
          title={t('overrideTo', { service, to: chosen, ttl })}
          verb={t('setOverride')}
          flags={['force']}
          write={{ method: 'PUT', path: ofService(service, 'override'), body: { to: chosen, ttl } }}
          onClose={() => setAsked(false)}
          onDone={onDone}
        >
          <p>{t('aboutOverride')}</p>
        </WriteDialog>
      )}
    </Card>
  );
}

const STATUSES = ['UNAVAILABLE', 'DEADLINE_EXCEEDED', 'RESOURCE_EXHAUSTED', 'INTERNAL'];

function StartDrill({ service, subsets, onDone }: BeginProps) {
  const [where, setWhere] = useState('canary');
  const [abort, setAbort] = useState('UNAVAILABLE');
  const [percent, setPercent] = useState('10');
  const [duration, setDuration] = useState('10m');
  const [isAsked, setAsked] = useState(false);
  const chosen = subsets.includes(where) ? where : (subsets[0] ?? '');
  if (subsets.length === 0) return null;
  const isPercent = Number(percent) > 0 && Number(percent) <= 100;
  const body = { in: chosen, abort, percent, for: duration, stopAbove: '5' };
  return (
    <Card title={t('startDrill')}>
      <div class="team-form">
        <Select
          label={t('attemptsAt')}
          value={chosen}
          options={subsets.map((value) => ({ value, label: value }))}
          onChange={setWhere}
        />
        <Select
          label={t('failWith')}
          value={abort}
          options={STATUSES.map((value) => ({ value, label: value }))}
          onChange={setAbort}
        />
        <TextField label={t('percent')} type="number" value={percent} onInput={setPercent} />
        <Select label={t('forHowLong')} value={duration} options={TTLS} onChange={setDuration} />
        <button type="button" class="button" disabled={!isPercent} onClick={() => setAsked(true)}>
          {t('startDrill')}…
        </button>
      </div>
      {isAsked && (
        <WriteDialog
          title={t('startDrill')}
          verb={t('startDrill')}
          flags={['force']}
          write={{ method: 'PUT', path: ofService(service, 'drill'), body }}
          onClose={() => setAsked(false)}
          onDone={onDone}
        >
          <p>{t('aboutDrill', { percent, subset: chosen, status: abort, duration })}</p>
        </WriteDialog>
      )}
    </Card>
  );
}
