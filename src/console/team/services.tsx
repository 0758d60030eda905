import { useEffect, useState } from 'preact/hooks';
import type { ListedService } from '../../ops/console/answers';
import { Badge } from '../kit/badge';
import { TextField } from '../kit/field';
import { navigate, routeHref } from '../kit/router';
import { Card } from '../kit/shell';
import { useStore } from '../kit/store';
import { Table } from '../kit/table';
import { Refusal } from './access';
import { token, useAsked } from './api';
import { ago, shortAuthor, stateTone, stateWord } from './say';
import { words as t } from './words';

const LOOK_MS = 15_000;

/** Every service, the ones with something temporary marked. */
export function ServicesPage() {
  const { told, refused, isLoading } = useAsked<readonly ListedService[]>('services', LOOK_MS);
  const [search, setSearch] = useState('');
  /** Enter was pressed before there was anything to go to. */
  const [isAwaited, setAwaited] = useState(false);
  const own = useStore(token);
  const all = told?.result ?? [];
  const wanted = search.trim().toLowerCase();
  const shown = all.filter(({ service }) => service.toLowerCase().includes(wanted));
  const first = shown[0]?.service;
  useEffect(() => {
    if (isAwaited && first !== undefined) navigate(hrefOf(first));
  }, [isAwaited, first]);
  return (
    <Card
      title={t('services')}
      aside={told === undefined ? undefined : t('ofServices', { n: shown.length, of: all.length })}
    >
      <div class="stack">
        <form
          class="team-search"
          onSubmit={(event) => {
            event.preventDefault();
            setAwaited(true);
          }}
        >
          <TextField
            label={t('search')}
            isBare
            placeholder={t('search')}
            type="search"
            value={search}
            onInput={(text) => {
              setSearch(text);
              setAwaited(false);
            }}
          />
        </form>
        {refused !== undefined && <Refusal refused={refused} />}
        {isLoading && <p class="empty">{t('loading')}</p>}
        {told !== undefined && (
          <Table
            label={t('services')}
            rows={shown}
            keyOf={({ service }) => service}
            empty={all.length === 0 && own === '' ? t('noServicesWithoutToken') : t('noServices')}
            columns={[
              {
                key: 'service',
                label: t('service'),
                sortBy: ({ service }) => service,
                render: ({ service }) => <a href={hrefOf(service)}>{service}</a>,
              },
              { key: 'policy', label: t('policy'), render: (each) => <PolicyCell listed={each} /> },
              {
                key: 'changed',
                label: t('lastChange'),
                sortBy: ({ policies }) => policies[0]?.time ?? '',
                render: ({ policies: [first] }) =>
                  first?.time && `${ago(first.time)}, ${shortAuthor(first.author ?? '')}`,
              },
              { key: 'message', label: t('message'), render: ({ policies: [first] }) => first?.message ?? '' },
              { key: 'now', label: t('now'), render: (each) => <NowCell listed={each} /> },
            ]}
          />
        )}
      </div>
    </Card>
  );
}

function hrefOf(service: string): string {
  return routeHref(['services', service]);
}

function PolicyCell({ listed: { policies, registeredIn } }: { readonly listed: ListedService }) {
  const revisions = [...new Set(policies.map(({ revision }) => revision ?? '?'))];
  if (policies.length === 0) return <Badge>{t('noPolicy')}</Badge>;
  return (
    <span class="row">
      {policies.every(({ isTombstone }) => isTombstone) ? (
        <Badge>{t('deleted')}</Badge>
      ) : (
        <code>{revisions[0]?.slice(0, 8)}</code>
      )}
      {revisions.length > 1 && <Badge tone="warn">{t('diverging')}</Badge>}
      {registeredIn.length === 0 && <Badge tone="warn">{t('notRegistered')}</Badge>}
    </span>
  );
}

function NowCell({ listed: { policies, rollout, drills } }: { readonly listed: ListedService }) {
  const override = policies.find(({ overrideUntil }) => overrideUntil !== null);
  const isRolling = rollout !== null && rollout.state !== 'completed' && rollout.state !== 'aborted';
  return (
    <span class="row">
      {override !== undefined && <Badge tone="bad">{t('override')}</Badge>}
      {drills > 0 && <Badge tone="warn">{t('drillsRun', { n: drills })}</Badge>}
      {isRolling && (
        <Badge tone={stateTone(rollout.state)}>
          {t('rolloutAt', { state: stateWord(rollout.state), canary: rollout.canary, weight: rollout.weight })}
        </Badge>
      )}
    </span>
  );
}
