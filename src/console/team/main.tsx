import { useEffect } from 'preact/hooks';
import type { ConsoleFacts } from '../../ops/console/answers';
import { Badge } from '../kit/badge';
import { Select } from '../kit/field';
import { routeHref, useRoute } from '../kit/router';
import { mountPage, Shell } from '../kit/shell';
import { useStore } from '../kit/store';
import { TokenButton } from './access';
import { datacenter, facts, useAsked } from './api';
import { LanesPage } from './lanes';
import { ServicePage } from './service';
import { ServicesPage } from './services';
import { TemporaryPage } from './temporary';
import { words as t } from './words';

function TeamPage() {
  const { path } = useRoute();
  const [first, name] = path;
  const title = first === 'services' && name !== undefined ? name : t('title');
  return (
    <Shell title={title} place={`${first ?? 'services'} ${name ?? ''}`} about={<Head current={first ?? 'services'} />}>
      <View first={first} name={name} />
    </Shell>
  );
}

function View({ first, name }: { readonly first: string | undefined; readonly name: string | undefined }) {
  if (first === 'services' && name !== undefined) return <ServicePage key={name} service={name} />;
  if (first === 'temporary') return <TemporaryPage />;
  if (first === 'lanes') return <LanesPage />;
  return <ServicesPage />;
}

/** Where one can go, as whom, and in which datacenter. */
function Head({ current }: { readonly current: string }) {
  const { told } = useAsked<ConsoleFacts>('console');
  useEffect(() => facts.set(told?.result), [told]);
  const known = useStore(facts);
  const dc = useStore(datacenter);
  const parts = ['services', 'temporary', 'lanes'] as const;
  const names = known?.datacenters ?? [];
  return (
    <div class="team-head">
      <nav class="team-nav" aria-label={t('title')}>
        {parts.map((part) => (
          <a key={part} href={routeHref([part])} aria-current={part === current ? 'page' : undefined}>
            {t(part)}
          </a>
        ))}
      </nav>
      <span class="team-access">
        {known?.isReadOnly === true && <Badge tone="accent">{t('readOnly')}</Badge>}
        {names.length > 1 && (
          <Select
            label={t('datacenter')}
            isBare
            value={dc}
            options={[
              { value: '', label: t('ownDatacenter') },
              ...names.map((value) => ({ value, label: value })),
              { value: 'all', label: t('allDatacenters') },
            ]}
            onChange={(value) => datacenter.set(value)}
          />
        )}
        <TokenButton />
      </span>
    </div>
  );
}

mountPage(TeamPage);
