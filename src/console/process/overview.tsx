import type { PageService } from '../../client/admin/page/page-view';
import { Badge } from '../kit/badge';
import { formatNumber, formatTime } from '../kit/i18n';
import { routeHref } from '../kit/router';
import { ShareBar } from '../kit/shares';
import { Card } from '../kit/shell';
import { type Column, Table } from '../kit/table';
import { clientOf, type ProcessState, servicesOf } from './state';
import { partsOf, perSecond } from './traffic';
import { words as t } from './words';

/** All services of the client, and what it knows of Consul. */
export function Overview({ state }: { readonly state: ProcessState }) {
  const services = servicesOf(state);
  const client = clientOf(state);
  const refused = Object.entries(client?.refusedLabels ?? {});
  return (
    <>
      <h1 class="hidden-text">{t('services')}</h1>
      <Card title={t('services')} aside={formatNumber(services.length)}>
        <Table
          label={t('services')}
          columns={columns()}
          rows={services}
          keyOf={({ target }) => target}
          empty={client === undefined ? t('waiting') : t('noServices')}
        />
      </Card>
      {client !== undefined && client.consul.length > 0 && (
        <Card title={t('consul')}>
          <ul class="process-list">
            {client.consul.map(({ address, requests, failures, serves, sharing }) => (
              <li key={address} class="row">
                <code>{address}</code>
                <span class="quiet">{t('consul.requests', { requests, failures })}</span>
                {serves && <Badge tone="good">{t('consul.serves')}</Badge>}
                {serves && sharing !== undefined && (
                  <span class="quiet">{t(`consul.${sharing.role}`, { time: formatTime(sharing.sinceMs) })}</span>
                )}
              </li>
            ))}
          </ul>
        </Card>
      )}
      {refused.length > 0 && (
        <Card title={t('refusedLabels')}>
          <ul class="process-list">
            {refused.map(([label, count]) => (
              <li key={label}>
                <code>{label}</code> {formatNumber(count)}
              </li>
            ))}
          </ul>
        </Card>
      )}
    </>
  );
}

function columns(): Column<PageService>[] {
  return [
    {
      key: 'service',
      label: t('service'),
      sortBy: ({ service }) => service,
      render: ({ service, target }) => (
        <a href={routeHref(['services', target])} class="process-name">
          {service}
        </a>
      ),
    },
    { key: 'state', label: t('state'), sortBy: ({ notices }) => -weightOf(notices), render: StateBadge },
    {
      key: 'now',
      label: t('callsNow'),
      sortBy: ({ recent }) => -totalOf(recent),
      render: ({ recent, subsets }) =>
        totalOf(recent) === 0 ? (
          <span class="quiet">{t('quiet')}</span>
        ) : (
          <div class="process-now">
            <ShareBar label={t('sharesNow')} parts={partsOf(recent, subsets)} />
            <span class="quiet">{perSecond(totalOf(recent))}</span>
          </div>
        ),
    },
    {
      key: 'endpoints',
      label: t('endpoints'),
      isNumber: true,
      sortBy: ({ endpoints }) => endpoints.all,
      render: ({ endpoints }) => formatNumber(endpoints.all),
    },
    {
      key: 'ready',
      label: t('ready'),
      isNumber: true,
      sortBy: ({ endpoints }) => endpoints.ready,
      render: ({ endpoints }) => formatNumber(endpoints.ready),
    },
    {
      key: 'broken',
      label: t('broken'),
      isNumber: true,
      sortBy: ({ endpoints }) => endpoints.broken,
      render: ({ endpoints }) =>
        endpoints.broken === 0 ? (
          <span class="quiet">0</span>
        ) : (
          <Badge tone="bad">{formatNumber(endpoints.broken)}</Badge>
        ),
    },
    {
      key: 'revision',
      label: t('revision'),
      render: ({ revision, origin }) =>
        revision === undefined || revision === 'none' ? (
          <span class="quiet">{t('noPolicy')}</span>
        ) : (
          <>
            <code>{revision}</code> <span class="quiet">{origin}</span>
          </>
        ),
    },
  ];
}

function StateBadge({ notices }: PageService) {
  const worst = notices[0];
  if (worst === undefined || worst.tone === 'quiet') return <Badge tone="good">{t('ok')}</Badge>;
  const text = [t(`kind.${worst.kind}`), worst.about].filter((each) => each !== undefined).join(' · ');
  return (
    <Badge tone={worst.tone} title={worst.text ?? ''}>
      {text}
    </Badge>
  );
}

function weightOf(notices: PageService['notices']): number {
  return notices.reduce((sum, { tone }) => sum + (tone === 'bad' ? 100 : tone === 'warn' ? 1 : 0), 0);
}

function totalOf(recent: PageService['recent']): number {
  return recent.reduce((sum, { attempts }) => sum + attempts, 0);
}
