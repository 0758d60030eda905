import { useState } from 'preact/hooks';
import type { PageEndpoint } from '../../client/admin/page/page-view';
import { Badge, type Tone } from '../kit/badge';
import { TextField } from '../kit/field';
import { formatMilliseconds, formatNumber } from '../kit/i18n';
import { Card } from '../kit/shell';
import { type Column, Table } from '../kit/table';
import { endpointsOf, type ProcessState } from './state';
import { words as t } from './words';

/** Every endpoint with its load, latency and connections. */
export function EndpointsTab({ state }: { readonly state: ProcessState }) {
  const [wanted, setWanted] = useState('');
  const all = endpointsOf(state);
  const found = all.filter((endpoint) => isFound(endpoint, wanted.trim().toLowerCase()));
  return (
    <Card title={t('endpoints')} aside={formatNumber(found.length)}>
      <div class="process-find">
        <TextField label={t('filter')} hint={t('filter.hint')} type="search" value={wanted} onInput={setWanted} />
      </div>
      <Table
        label={t('endpoints')}
        columns={columns(all)}
        rows={found}
        keyOf={({ datacenter, endpoint }) => `${datacenter}/${endpoint}`}
        empty={t(all.length === 0 ? 'noEndpoints' : 'noneFound')}
      />
    </Card>
  );
}

function isFound(endpoint: PageEndpoint, wanted: string): boolean {
  const { endpoint: address, instance, datacenter, zone = '', lane = '', subsets, status, heldOut = '' } = endpoint;
  const text = [address, instance, datacenter, zone, lane, ...subsets, status, heldOut].join('\n').toLowerCase();
  return text.includes(wanted);
}

/** Zones and lanes have columns only where there are any. */
function columns(all: readonly PageEndpoint[]): Column<PageEndpoint>[] {
  const hasZones = all.some(({ zone }) => zone !== undefined);
  const hasLanes = all.some(({ lane }) => lane !== undefined);
  const zone: Column<PageEndpoint> = {
    key: 'zone',
    label: t('zone'),
    sortBy: (each) => each.zone ?? '',
    render: (each) => each.zone ?? '–',
  };
  const lane: Column<PageEndpoint> = {
    key: 'lane',
    label: t('lane'),
    sortBy: (each) => each.lane ?? '',
    render: (each) => each.lane ?? '–',
  };
  return [
    {
      key: 'endpoint',
      label: t('endpoint'),
      sortBy: ({ endpoint }) => endpoint,
      render: ({ endpoint, instance }) => (
        <>
          <code>{endpoint}</code>
          <div class="quiet">{instance}</div>
        </>
      ),
    },
    { key: 'datacenter', label: t('datacenter'), sortBy: (each) => each.datacenter, render: (each) => each.datacenter },
    ...(hasZones ? [zone] : []),
    ...(hasLanes ? [lane] : []),
    {
      key: 'subsets',
      label: t('subsets'),
      sortBy: ({ subsets }) => subsets.join(),
      render: ({ subsets }) => (subsets.length === 0 ? '–' : subsets.join(', ')),
    },
    {
      key: 'state',
      label: t('state'),
      sortBy: ({ heldOut }) => (heldOut === undefined ? '1' : `0${heldOut}`),
      render: ({ heldOut, status }) => (
        <span class="process-state">
          <Badge tone={heldOut === undefined ? 'good' : toneOf(status)}>{heldOut ?? t('serves')}</Badge>
        </span>
      ),
    },
    {
      key: 'inFlight',
      label: t('inFlight'),
      isNumber: true,
      sortBy: ({ inFlight }) => -inFlight,
      render: ({ inFlight }) => formatNumber(inFlight),
    },
    {
      key: 'latency',
      label: t('latency'),
      isNumber: true,
      sortBy: ({ latencyMs }) => -latencyMs,
      render: ({ latencyMs }) => (latencyMs === 0 ? '–' : formatMilliseconds(latencyMs)),
    },
    {
      key: 'slowness',
      label: t('slowness'),
      isNumber: true,
      sortBy: ({ slowness }) => -slowness,
      render: ({ slowness }) =>
        slowness === 0 ? '–' : <span title={t('slowness.title')}>{formatNumber(slowness, 2)} ×</span>,
    },
    {
      key: 'weight',
      label: t('weight'),
      isNumber: true,
      sortBy: ({ weight }) => -weight,
      render: ({ weight }) => formatNumber(weight, 2),
    },
    {
      key: 'connections',
      label: t('connections'),
      render: ({ connections, streams }) => (
        <>
          {connections.length === 0 ? '–' : connections.join(', ')}
          {streams?.limit !== undefined && (
            <div class="quiet">{t('streams', { now: streams.now, limit: streams.limit })}</div>
          )}
        </>
      ),
    },
  ];
}

function toneOf(status: string): Tone {
  return status === 'critical' ? 'bad' : 'warn';
}
