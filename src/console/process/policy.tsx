import type { PageService } from '../../client/admin/page/page-view';
import { Badge, Notice } from '../kit/badge';
import { Card } from '../kit/shell';
import { detailOf, type ProcessState } from './state';
import { words as t } from './words';

/** The policy in force, as this process has it. */
export function PolicyTab({ state, service }: { readonly state: ProcessState; readonly service: PageService }) {
  const policy = detailOf(state, 'policy');
  const lanes = detailOf(state, 'lanes') ?? [];
  if (policy === undefined) return null;
  const { document, chain, index, revision, rejected } = policy;
  const aside = [revision, index === undefined ? undefined : t('index', { index }), service.origin];
  return (
    <div class="stack">
      {rejected !== undefined && (
        <Notice tone="bad">
          <strong>{t('kind.policyRejected')}</strong>
          <ul>
            {rejected.problems.map(({ message }) => (
              <li key={message}>{message}</li>
            ))}
          </ul>
        </Notice>
      )}
      {lanes.length > 0 && (
        <Card title={t('lanes')}>
          <ul class="process-list">
            {lanes.map(({ lane, instances, usable, ends, isEnded }) => (
              <li key={lane} class="row">
                <code>{lane}</code>
                <span class="quiet">{t('laneInstances', { usable, instances })}</span>
                {isEnded && <Badge tone="warn">{t('ended')}</Badge>}
                {!isEnded && ends !== undefined && <span class="quiet">{t('ends', { time: ends })}</span>}
              </li>
            ))}
          </ul>
        </Card>
      )}
      <Card title={t('document')} aside={aside.filter((each) => each !== undefined).join(' · ')}>
        {document === undefined && chain === undefined ? (
          <p class="empty">{t('noDocument')}</p>
        ) : (
          // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard
          <pre class="process-document" tabIndex={0}>
            {JSON.stringify(document ?? chain, undefined, 2)}
          </pre>
        )}
      </Card>
    </div>
  );
}
