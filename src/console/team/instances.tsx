import { Badge, Notice } from '../kit/badge';
import { formatMilliseconds } from '../kit/i18n';
import { Card } from '../kit/shell';
import { Table } from '../kit/table';
import { Refusal } from './access';
import type { InstancesTold, ListedInstance } from './answers';
import { ofService, useAsked } from './api';
import { words as t } from './words';

const LOOK_MS = 10_000;
const HEALTH = { passing: 'good', warning: 'warn', critical: 'bad' } as const;

/** Who is there, by datacenter and subset. */
export function InstancesCard({ service }: { readonly service: string }) {
  const { told, refused, isLoading } = useAsked<InstancesTold>(ofService(service, 'instances'), LOOK_MS);
  const listed = told?.result;
  const bad = (listed?.datacenters ?? []).filter(({ freshness }) => freshness !== 'fresh');
  return (
    <Card
      title={t('instances')}
      aside={listed === undefined ? undefined : t('instancesOf', { n: listed.instances.length })}
    >
      <div class="stack">
        {refused !== undefined && <Refusal refused={refused} />}
        {isLoading && <p class="empty">{t('loading')}</p>}
        {bad.map(({ datacenter, freshness }) => (
          <Notice key={datacenter} tone="warn">
            {datacenter}: {freshness}
          </Notice>
        ))}
        {listed !== undefined && (
          <Table
            label={t('instances')}
            rows={listed.instances}
            keyOf={({ datacenter, instance, endpoint }) => `${datacenter} ${instance} ${endpoint}`}
            empty={t('noInstances')}
            columns={[
              { key: 'dc', label: t('datacenter'), sortBy: (row) => row.datacenter, render: (row) => row.datacenter },
              {
                key: 'subset',
                label: t('subset'),
                sortBy: (row) => row.subsets.join(),
                render: (row) => <SubsetsCell row={row} />,
              },
              { key: 'instance', label: t('instance'), sortBy: (row) => row.instance, render: (row) => row.instance },
              { key: 'endpoint', label: t('endpoint'), render: (row) => <code>{row.endpoint}</code> },
              { key: 'zone', label: t('zone'), sortBy: (row) => row.zone ?? '', render: (row) => row.zone ?? '' },
              {
                key: 'health',
                label: t('health'),
                sortBy: (row) => row.health,
                render: (row) => <Badge tone={HEALTH[row.health]}>{t(`health.${row.health}`)}</Badge>,
              },
              {
                key: 'weight',
                label: t('weight'),
                isNumber: true,
                sortBy: (row) => row.weight,
                render: (row) => row.weight,
              },
              {
                key: 'age',
                label: t('age'),
                isNumber: true,
                sortBy: (row) => row.ageMs ?? -1,
                render: (row) => (row.ageMs === undefined ? '' : formatMilliseconds(row.ageMs)),
              },
            ]}
          />
        )}
      </div>
    </Card>
  );
}

function SubsetsCell({ row: { subsets, heldOut } }: { readonly row: ListedInstance }) {
  if (subsets.length === 0) return <Badge tone="warn">{t('unassigned')}</Badge>;
  return (
    <span class="row">
      {subsets.map((subset) => {
        const why = heldOut[subset];
        if (why === undefined)
          return (
            <Badge key={subset} tone="accent">
              {subset}
            </Badge>
          );
        return (
          <Badge key={subset} tone="warn" title={why}>
            {t('heldOut', { subset, why })}
          </Badge>
        );
      })}
    </span>
  );
}
