import type { PageDecision, PageHistory, PageService, TrafficRow } from '../../client/admin/page/page-view';
import { Badge } from '../kit/badge';
import { Chart } from '../kit/chart';
import { formatMilliseconds, formatNumber, formatShare, formatTime } from '../kit/i18n';
import { partClass, ShareBar, ShareLegend } from '../kit/shares';
import { Card } from '../kit/shell';
import { type Column, Table } from '../kit/table';
import { Breakers } from './breakers';
import { clientOf, detailOf, historyOf, type ProcessState, trafficOf } from './state';
import { colorOf, inOrder, partsOf, perSecond } from './traffic';
import { words as t } from './words';

interface NowProps {
  readonly state: ProcessState;
  readonly service: PageService;
}

/** Shares, tiers, breakers, decisions. */
export function NowTab({ state, service }: NowProps) {
  return (
    <div class="process-columns">
      <div class="stack">
        <Shares state={state} service={service} />
        <Tiers state={state} service={service} />
      </div>
      <div class="stack">
        <Breakers state={state} />
        <Decisions state={state} service={service} />
      </div>
    </div>
  );
}

function Shares({ state, service: { recent, subsets } }: NowProps) {
  const history = historyOf(state);
  const parts = partsOf(recent, subsets);
  const total = parts.reduce((sum, { amount }) => sum + amount, 0);
  const failed = recent.reduce((sum, each) => sum + each.failed, 0);
  return (
    <Card title={t('shares')} aside={total === 0 ? undefined : perSecond(total)}>
      {total === 0 ? (
        <p class="empty">{t('noTraffic')}</p>
      ) : (
        <div class="stack">
          <ShareBar label={t('sharesNow')} parts={parts} isTall />
          <div class="row process-spread">
            <ShareLegend parts={parts} />
            <span class="quiet">
              {t('failedNow')} <strong>{formatShare(failed / total)}</strong>
            </span>
          </div>
        </div>
      )}
      {history === undefined || history.times.length === 0 ? (
        <p class="empty">{t('noHistory')}</p>
      ) : (
        <HistoryCharts history={history} subsets={subsets} />
      )}
    </Card>
  );
}

function HistoryCharts({ history, subsets }: { readonly history: PageHistory; readonly subsets: readonly string[] }) {
  const times = history.times.map((ms) => ms / 1000);
  const totals = times.map((_, at) => history.subsets.reduce((sum, { attempts }) => sum + (attempts[at] ?? 0), 0));
  const shares = inOrder(history.subsets, subsets).map(({ subset, attempts }) => ({
    label: subset,
    color: `part-${colorOf(subset, subsets) % 6}`,
    values: totals.map((total, at) => (total === 0 ? null : (attempts[at] ?? 0) / total)),
  }));
  const failed = totals.map((total, at) =>
    total === 0 ? null : history.subsets.reduce((sum, each) => sum + (each.failed[at] ?? 0), 0) / total,
  );
  const newest = shares.map(({ label, values }) => `${label} ${formatShare(values.at(-1) ?? 0)}`).join(', ');
  const most = Math.max(...failed.map((each) => each ?? 0));
  return (
    <>
      <Chart
        label={t('sharesOver', { newest })}
        times={times}
        series={shares}
        format={formatShare}
        isStacked
        max={1}
        height={140}
      />
      {most > 0 && (
        <Chart
          label={t('failedOver', { newest: formatShare(failed.at(-1) ?? 0) })}
          times={times}
          series={[{ label: t('failedShare'), color: 'bad', values: failed }]}
          format={formatShare}
          height={90}
        />
      )}
    </>
  );
}

function Tiers({ state, service: { subsets } }: NowProps) {
  const rows = inOrder(trafficOf(state), subsets);
  const since = clientOf(state)?.sinceMs;
  const retries = detailOf(state, 'retryBudget');
  const columns: Column<TrafficRow>[] = [
    {
      key: 'subset',
      label: t('subset'),
      render: ({ subset }) => (
        <span class="process-subset">
          <span class={`swatch ${partClass(colorOf(subset, subsets))}`} /> {subset}
        </span>
      ),
    },
    { key: 'datacenter', label: t('datacenter'), render: ({ datacenter }) => datacenter },
    { key: 'tier', label: t('tier'), isNumber: true, render: ({ tier }) => tier },
    { key: 'recent', label: t('now'), isNumber: true, render: ({ recent }) => perSecond(recent) },
    {
      key: 'failedNow',
      label: t('failedNow'),
      isNumber: true,
      render: ({ recent, recentFailed }) =>
        recentFailed === 0 ? (
          <span class="quiet">{recent === 0 ? '–' : '0'}</span>
        ) : (
          <Badge tone="bad">{formatShare(recentFailed / recent)}</Badge>
        ),
    },
    {
      key: 'latency',
      label: t('latency'),
      isNumber: true,
      render: ({ recentMs }) => (recentMs === undefined ? '–' : formatMilliseconds(recentMs)),
    },
    { key: 'attempts', label: t('attempts'), isNumber: true, render: ({ attempts }) => formatNumber(attempts) },
    { key: 'failed', label: t('failed'), isNumber: true, render: ({ failed }) => formatNumber(failed) },
  ];
  return (
    <Card title={t('tiers')} aside={since === undefined ? undefined : t('since', { time: formatTime(since) })}>
      <Table
        label={t('tiers')}
        columns={columns}
        rows={rows}
        keyOf={({ subset, datacenter, tier }) => `${subset} ${datacenter} ${tier}`}
        empty={t('noTraffic')}
      />
      {retries !== undefined && (
        <p class="quiet">
          {t('retries')}: {t('retriesOf', retries)}
        </p>
      )}
    </Card>
  );
}

function Decisions({ state, service: { subsets } }: NowProps) {
  const columns: Column<PageDecision>[] = [
    { key: 'time', label: t('time'), render: ({ atMs }) => <time>{formatTime(atMs)}</time> },
    { key: 'method', label: t('method'), render: ({ method }) => <code>{method.split('/').at(-1)}</code> },
    { key: 'route', label: t('route'), render: ({ route }) => route },
    {
      key: 'subset',
      label: t('subset'),
      render: ({ subset, sticky }) => (
        <span class="process-subset">
          <span class={`swatch ${partClass(colorOf(subset, subsets))}`} /> {subset}{' '}
          {sticky && <Badge>{t('sticky')}</Badge>}
        </span>
      ),
    },
  ];
  return (
    <Card title={t('decisions')} aside={t('decided', { n: formatNumber(state.decided) })}>
      <Table
        label={t('decisions')}
        columns={columns}
        rows={state.decisions}
        keyOf={({ number }) => String(number)}
        step={12}
        empty={t('noDecisions')}
      />
      {state.decisions.length > 0 && <p class="quiet">{t('decisions.note')}</p>}
    </Card>
  );
}
