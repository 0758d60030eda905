import { useState } from 'preact/hooks';
import type { ServiceCharts } from '../../ops/console/answers';
import { Badge, Notice } from '../kit/badge';
import { Chart } from '../kit/chart';
import { Select } from '../kit/field';
import { formatMilliseconds, formatNumber } from '../kit/i18n';
import { Card } from '../kit/shell';
import { useStore } from '../kit/store';
import { Table } from '../kit/table';
import { Refusal } from './access';
import { type FleetTold, type PolicyTold, subsetsOf } from './answers';
import { facts, ofService, useAsked } from './api';
import { words as t } from './words';

const LOOK_MS = 10_000;
const STATES = { follows: 'good', own: 'quiet', behind: 'bad' } as const;

/** What was counted: attempts by subset, and which processes follow the policy. */
export function FleetTab({ service }: { readonly service: string }) {
  const { told, refused, isLoading } = useAsked<FleetTold | null>(ofService(service, 'fleet'), LOOK_MS);
  const fleet = told?.result ?? undefined;
  return (
    <>
      <ChartsCard service={service} />
      <Card title={t('fleet')} aside={fleet && t('followOf', { n: fleet.following, of: fleet.processes.length })}>
        <div class="stack">
          {refused !== undefined && <Refusal refused={refused} />}
          {isLoading && <p class="empty">{t('loading')}</p>}
          {fleet?.failures.map((text) => (
            <Notice key={text} tone="warn">
              {text}
            </Notice>
          ))}
          {fleet !== undefined && (
            <Table
              label={t('fleet')}
              rows={fleet.processes}
              keyOf={({ process, client }) => `${process} ${client}`}
              empty={t('noProcesses')}
              columns={[
                { key: 'process', label: t('process'), sortBy: (row) => row.process, render: (row) => row.process },
                { key: 'number', label: '#', isNumber: true, render: (row) => row.number ?? '' },
                { key: 'revision', label: t('revision'), render: (row) => <code>{row.revision}</code> },
                {
                  key: 'state',
                  label: t('state'),
                  sortBy: (row) => row.state,
                  render: (row) => <Badge tone={STATES[row.state]}>{row.reason ?? t(`fleet.${row.state}`)}</Badge>,
                },
                { key: 'seen', label: t('seen'), isNumber: true, render: (row) => formatMilliseconds(row.ageMs) },
                { key: 'why', label: t('reason'), render: (row) => row.why ?? '' },
              ]}
            />
          )}
        </div>
      </Card>
    </>
  );
}

const RANGES = [15, 60, 360, 1440];

function ChartsCard({ service }: { readonly service: string }) {
  const [minutes, setMinutes] = useState('15');
  const path = ofService(service, `charts?minutes=${minutes}`);
  const { told: answer, refused } = useAsked<ServiceCharts | null>(path, LOOK_MS);
  const policy = useAsked<PolicyTold>(ofService(service, 'policy')).told?.result;
  const isLong = useStore(facts)?.figures === 'prometheus';
  const charts = answer?.result ?? undefined;
  const times = charts?.times.map((at) => at / 1000) ?? [];
  // As everywhere: in the order of the policy, and what it does not know after that.
  const known = subsetsOf(policy);
  const told = (charts?.perSecond ?? []).map(({ subset }) => subset);
  const order = [...known.filter((name) => told.includes(name)), ...told.filter((name) => !known.includes(name))];
  const colorOf = (subset: string): string => `part-${[...known, ...order].indexOf(subset) % 6}`;
  const seriesOf = (lines: ServiceCharts['perSecond']) =>
    lines.map(({ subset, values }) => ({ label: subset, color: colorOf(subset), values }));
  return (
    <Card
      title={t('charts')}
      aside={
        isLong ? (
          <Select
            label={t('range')}
            isBare
            value={minutes}
            options={RANGES.map((value) => ({ value: String(value), label: t('minutes', { n: value }) }))}
            onChange={setMinutes}
          />
        ) : (
          t('minutes', { n: 10 })
        )
      }
    >
      {refused !== undefined && <Refusal refused={refused} />}
      {charts !== undefined && charts.perSecond.length === 0 && <p class="empty">{t('noFigures')}</p>}
      {charts !== undefined && charts.perSecond.length > 0 && (
        <div class="stack">
          <h3>{t('attemptsPerSecond')}</h3>
          <Chart
            label={saidOf(t('attemptsPerSecond'), charts.perSecond)}
            times={times}
            series={seriesOf(charts.perSecond)}
            format={(value) => formatNumber(value, 1)}
          />
          <h3>{t('failedPercent')}</h3>
          <Chart
            label={saidOf(t('failedPercent'), charts.failedPercent)}
            times={times}
            series={seriesOf(charts.failedPercent)}
            format={(value) => `${formatNumber(value, 1)} %`}
          />
          <ul class="legend">
            {order.map((subset) => (
              <li key={subset}>
                <span class={`swatch ${colorOf(subset)}`} />
                {subset}
              </li>
            ))}
          </ul>
        </div>
      )}
    </Card>
  );
}

/** The newest values, in words. */
function saidOf(what: string, lines: ServiceCharts['perSecond']): string {
  const newest = lines.map(({ subset, values }) => {
    const last = values.findLast((value) => value !== null);
    return `${subset} ${last === undefined || last === null ? '–' : formatNumber(last, 1)}`;
  });
  return `${what}: ${newest.join(', ')}`;
}
