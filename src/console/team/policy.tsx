import { useRef, useState } from 'preact/hooks';
import { Badge, Notice } from '../kit/badge';
import { TextField } from '../kit/field';
import { Card } from '../kit/shell';
import { useStore } from '../kit/store';
import { Refusal } from './access';
import type { PolicyCheck, PolicyRow, PolicyTold } from './answers';
import { facts, ofService, useAsked } from './api';
import { ChangeView, CheckedWriteDialog, WriteDialog } from './change';
import { useChecked } from './checked';
import { ago, shortAuthor } from './say';
import { words as t } from './words';

/** The policy as text: checked while it is edited, with what it would change. */
export function PolicyTab({ service }: { readonly service: string }) {
  const { told, refused, isLoading, reload } = useAsked<PolicyTold>(ofService(service, 'policy'));
  if (isLoading) return <p class="empty">{t('loading')}</p>;
  if (refused !== undefined && refused.status !== 404) return <Refusal refused={refused} />;
  const rows = told?.result.datacenters ?? [];
  const [first] = rows;
  return (
    <>
      {told?.result.diverging === true && <Notice tone="warn">{t('divergingHint')}</Notice>}
      <Card title={t('inForce')}>
        {rows.length === 0 ? (
          <p class="empty">{t('noPolicy')}</p>
        ) : (
          rows.map((row) => <InForce key={row.datacenter} row={row} />)
        )}
      </Card>
      <Editor
        key={first?.revision ?? 'none'}
        service={service}
        text={first?.yaml ?? starter(service)}
        onDone={reload}
      />
      {typeof first?.document === 'object' && first.document.tombstone !== true && (
        <DeletePolicy service={service} onDone={reload} />
      )}
    </>
  );
}

/** Says that the service has no policy any more. */
function DeletePolicy({ service, onDone }: { readonly service: string; readonly onDone: () => void }) {
  const [isAsked, setAsked] = useState(false);
  const isReadOnly = useStore(facts)?.isReadOnly === true;
  if (isReadOnly) return null;
  return (
    <div>
      <button type="button" class="button danger" onClick={() => setAsked(true)}>
        {t('deletePolicy')}…
      </button>
      {isAsked && (
        <WriteDialog
          title={t('deletePolicyOf', { service })}
          verb={t('deletePolicy')}
          flags={['force', 'allowReshuffle']}
          write={{ method: 'DELETE', path: ofService(service, 'policy'), body: {} }}
          onClose={() => setAsked(false)}
          onDone={onDone}
        >
          <p>{t('aboutDelete')}</p>
        </WriteDialog>
      )}
    </div>
  );
}

function starter(service: string): string {
  return `schema: 1\nservice: ${JSON.stringify(service)}\nsubsets:\n  stable: { tags: [stable] }\n`;
}

function InForce({ row }: { readonly row: PolicyRow }) {
  const { datacenter, revision, number, time, author, failure, problems = [] } = row;
  return (
    <div class="stack">
      <p class="row">
        <strong>{datacenter}</strong>
        <code>{failure ?? revision ?? t('noPolicy')}</code>
        {number !== undefined && <span class="quiet">#{number}</span>}
        {time !== undefined && (
          <span class="quiet">
            {ago(time)}, {shortAuthor(author ?? '')}
          </span>
        )}
        {problems.length > 0 && <Badge tone="bad">{t('notValid')}</Badge>}
      </p>
      {problems.map(({ message }) => (
        <Notice key={message} tone="bad">
          {message}
        </Notice>
      ))}
    </div>
  );
}

function Editor(props: { readonly service: string; readonly text: string; readonly onDone: () => void }) {
  const { service, text: initial, onDone } = props;
  const [text, setText] = useState(initial);
  const [isWriting, setWriting] = useState(false);
  const isReadOnly = useStore(facts)?.isReadOnly === true;
  const box = useRef<HTMLDivElement>(null);
  const isChanged = text !== initial;
  const asked = useChecked<PolicyCheck>(ofService(service, 'policy/check'), isChanged ? { text } : undefined);
  const check = isChanged ? asked.told?.result : undefined;
  const changes = check?.changes ?? [];
  const from = changes.length === 1 ? changes[0]?.from : undefined;
  return (
    <Card title={t('text')} aside={check === undefined ? undefined : t(check.isValid ? 'valid' : 'notValid')}>
      <div class="stack">
        <div ref={box}>
          <TextField
            label={t('policyText')}
            value={text}
            onInput={setText}
            rows={24}
            isMono
            hint={t('policyTextHint')}
          />
        </div>
        {asked.refused !== undefined && <Refusal refused={asked.refused} />}
        <ul class="team-problems" aria-live="polite" aria-label={t('problems')}>
          {[...(check?.problems ?? []), ...(check?.warnings ?? [])].map((problem, at) => (
            <li key={problem.message} class={at < (check?.problems.length ?? 0) ? 'bad' : 'warn'}>
              {problem.line === undefined ? null : (
                <button type="button" class="button plain" onClick={() => goTo(box.current, problem.line ?? 1)}>
                  {t('line', { line: problem.line })}
                </button>
              )}
              {problem.message}
            </li>
          ))}
        </ul>
        {changes.map((change) => (
          <ChangeView key={change.datacenter} change={change} isSeveral={changes.length > 1} />
        ))}
        <div class="row">
          <button
            type="button"
            class="button primary"
            disabled={isReadOnly || check?.isValid !== true || asked.isLoading}
            onClick={() => setWriting(true)}
          >
            {t('apply')}…
          </button>
          <button type="button" class="button" disabled={!isChanged} onClick={() => setText(initial)}>
            {t('reset')}
          </button>
        </div>
      </div>
      {isWriting && (
        <CheckedWriteDialog
          title={t('applyPolicy', { service })}
          verb={t('apply')}
          flags={['force', 'allowReshuffle']}
          asked={{
            told: asked.told && { ...asked.told, result: changes },
            refused: asked.refused,
            isLoading: false,
            reload: () => {},
          }}
          write={{
            method: 'PUT',
            path: ofService(service, 'policy'),
            body: { text, ...(typeof from === 'string' ? { ifRevision: from } : {}) },
          }}
          onClose={() => setWriting(false)}
          onDone={onDone}
        />
      )}
    </Card>
  );
}

/** Puts the cursor at the begin of a line. */
function goTo(box: HTMLElement | null, line: number): void {
  const area = box?.querySelector('textarea');
  if (area == null) return;
  const lines = area.value.split('\n');
  const at = lines.slice(0, line - 1).join('\n').length + (line > 1 ? 1 : 0);
  area.focus();
  area.setSelectionRange(at, at + (lines[line - 1]?.length ?? 0));
}
