import type { PageNotice } from '../../client/admin/page/page-view';
import { formatNumber, formatTime } from '../kit/i18n';
import { words as t } from './words';

/** What somebody on call should know, one line each. */
export function Notices({ notices }: { readonly notices: readonly PageNotice[] }) {
  if (notices.length === 0) return null;
  return (
    <ul class="process-notices">
      {notices.map((notice) => (
        <li key={`${notice.kind} ${notice.about ?? ''}`} class={`notice ${notice.tone}`}>
          <strong>{t(`kind.${notice.kind}`)}</strong>
          {notice.about !== undefined && <span> · {notice.about}</span>}
          {notice.count !== undefined && <span> · {formatNumber(notice.count)}</span>}
          {notice.sinceMs !== undefined && <span> · {t('sinceTime', { time: formatTime(notice.sinceMs) })}</span>}
          {notice.untilMs !== undefined && <span> · {t('untilTime', { time: formatTime(notice.untilMs) })}</span>}
          {notice.text !== undefined && <div class="quiet">{notice.text}</div>}
        </li>
      ))}
    </ul>
  );
}
