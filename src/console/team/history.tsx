import { useState } from 'preact/hooks';
import type { TimelineEntry } from '../../ops/console/timeline';
import { Badge } from '../kit/badge';
import { Card } from '../kit/shell';
import { useStore } from '../kit/store';
import { Refusal } from './access';
import type { HistoryTold } from './answers';
import { facts, ofService, useAsked } from './api';
import { Differences } from './change';
import { ago, dateAndTime, shortAuthor } from './say';
import { RollbackDialog } from './why';
import { words as t } from './words';

const LOOK_MS = 15_000;
const STEP = 20;

/** Who changed what, newest first, and the way back to each. */
export function HistoryTab({ service }: { readonly service: string }) {
  const { told, refused, isLoading, reload } = useAsked<HistoryTold>(ofService(service, 'history'), LOOK_MS);
  const [back, setBack] = useState<number | undefined>();
  const [limit, setLimit] = useState(STEP);
  const isReadOnly = useStore(facts)?.isReadOnly === true;
  return (
    <>
      {refused !== undefined && <Refusal refused={refused} />}
      {isLoading && <p class="empty">{t('loading')}</p>}
      {told?.result.map(({ datacenter, entries }) => (
        <Card
          key={datacenter}
          title={told.result.length === 1 ? t('part.history') : t('historyIn', { datacenter })}
          aside={t('entries', { n: entries.length })}
        >
          {entries.length === 0 && <p class="empty">{t('noHistory')}</p>}
          <ol class="team-timeline">
            {entries.slice(0, limit).map((entry) => (
              <Entry
                key={entry.number}
                entry={entry}
                onBack={isReadOnly || entry.inForce === true ? undefined : () => setBack(entry.number)}
              />
            ))}
          </ol>
          {entries.length > limit && (
            <button type="button" class="button plain" onClick={() => setLimit(limit + STEP)}>
              {t('older', { n: Math.min(STEP, entries.length - limit) })}
            </button>
          )}
        </Card>
      ))}
      {back !== undefined && (
        <RollbackDialog service={service} number={back} onClose={() => setBack(undefined)} onDone={reload} />
      )}
    </>
  );
}

function Entry({ entry, onBack }: { readonly entry: TimelineEntry; readonly onBack: (() => void) | undefined }) {
  const { number, isReadable, kind, time = '', author = '', message, revision, inForce, differences, changed } = entry;
  if (!isReadable) {
    return (
      <li class="bad">
        #{number} {t('unreadable')}
      </li>
    );
  }
  const left = (changed ?? 0) - (differences?.length ?? 0);
  return (
    <li class={inForce === true ? 'now' : ''}>
      <div class="row">
        <strong>#{number}</strong>
        {kind !== undefined && <Badge tone={kind === 'rollback' ? 'warn' : 'quiet'}>{t(`kind.${kind}`)}</Badge>}
        {inForce === true && <Badge tone="good">{t('inForce')}</Badge>}
        <span class="quiet" title={dateAndTime(time)}>
          {ago(time)}, {shortAuthor(author)}
        </span>
        {revision !== undefined && <code class="quiet">{revision}</code>}
      </div>
      <p>{message}</p>
      {differences !== undefined && differences.length > 0 && (
        <details open={differences.length <= 3}>
          <summary>{t('changes', { n: changed ?? differences.length })}</summary>
          <Differences differences={differences} />
          {left > 0 && <p class="quiet">{t('andMore', { n: left })}</p>}
        </details>
      )}
      {onBack !== undefined && (
        <button type="button" class="button" onClick={onBack}>
          {t('backTo', { number })}
        </button>
      )}
    </li>
  );
}
