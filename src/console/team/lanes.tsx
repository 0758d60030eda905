import { Badge } from '../kit/badge';
import { Card } from '../kit/shell';
import { Table } from '../kit/table';
import { Refusal } from './access';
import type { ListedLane } from './answers';
import { useAsked } from './api';
import { dateAndTime } from './say';
import { words as t } from './words';

const LOOK_MS = 15_000;

/** Which services each lane has instances of, and where the others' calls go. */
export function LanesPage() {
  const { told, refused, isLoading } = useAsked<readonly ListedLane[]>('lanes', LOOK_MS);
  return (
    <Card title={t('lanes')}>
      {refused !== undefined && <Refusal refused={refused} />}
      {isLoading && <p class="empty">{t('loading')}</p>}
      {told !== undefined && (
        <Table
          label={t('lanes')}
          rows={told.result}
          keyOf={({ lane, by }) => `${lane} ${by.join()}`}
          empty={t('noLanes')}
          columns={[
            { key: 'lane', label: t('lane'), sortBy: ({ lane }) => lane, render: ({ lane }) => lane },
            { key: 'by', label: t('label'), render: ({ by }) => by.join(', ') },
            {
              key: 'in',
              label: t('instancesIn'),
              render: ({ services }) =>
                services.map(({ service, usable, instances }) => `${service} ${usable}/${instances}`).join(', '),
            },
            {
              key: 'fallback',
              label: t('fallsBack'),
              render: ({ fallback }) => fallback.map(({ service, to }) => `${service}: ${to}`).join(', '),
            },
            {
              key: 'ends',
              label: t('ends'),
              render: ({ ends, endedIn }) =>
                ends === undefined ? (
                  t('never')
                ) : (
                  <span class="row">
                    {dateAndTime(ends)}
                    {endedIn.length > 0 && <Badge tone="warn">{t('endedIn', { services: endedIn.join(', ') })}</Badge>}
                  </span>
                ),
            },
          ]}
        />
      )}
    </Card>
  );
}
