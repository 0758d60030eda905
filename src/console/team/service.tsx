import { routeHref, useRoute } from '../kit/router';
import { useStore } from '../kit/store';
import { Tabs } from '../kit/tabs';
import { facts } from './api';
import { FleetTab } from './fleet';
import { HistoryTab } from './history';
import { InstancesCard } from './instances';
import { PolicyTab } from './policy';
import { RolloutTab } from './rollout';
import { ServiceTemporary } from './temporary';
import { WeightsCard } from './weights';
import { WhyCard } from './why';
import { words as t } from './words';

const PARTS = ['overview', 'policy', 'history', 'rollout', 'temporary', 'fleet'] as const;

/** One service: each part at an address of its own. */
export function ServicePage({ service }: { readonly service: string }) {
  const { query } = useRoute();
  const hasFigures = (useStore(facts)?.figures ?? null) !== null;
  const parts = PARTS.filter((part) => part !== 'fleet' || hasFigures);
  const current = parts.find((part) => part === query['part']) ?? 'overview';
  const tabs = parts.map((id) => {
    const href = routeHref(['services', service], id === 'overview' ? {} : { part: id });
    return { id, label: t(`part.${id}`), href };
  });
  return (
    <>
      <h1>{service}</h1>
      <Tabs label={service} tabs={tabs} current={current} />
      <Part service={service} part={current} />
    </>
  );
}

function Part({ service, part }: { readonly service: string; readonly part: (typeof PARTS)[number] }) {
  switch (part) {
    case 'overview':
      return (
        <>
          <WhyCard service={service} />
          <WeightsCard service={service} />
          <InstancesCard service={service} />
        </>
      );
    case 'policy':
      return <PolicyTab service={service} />;
    case 'history':
      return <HistoryTab service={service} />;
    case 'rollout':
      return <RolloutTab service={service} />;
    case 'temporary':
      return <ServiceTemporary service={service} />;
    case 'fleet':
      return <FleetTab service={service} />;
  }
}
