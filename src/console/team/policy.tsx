import { useEffect, useState } from 'preact/hooks';
import { Badge, Notice } from '../kit/badge';
import { Card } from '../kit/shell';
import { useStore } from '../kit/store';
import { Refusal } from './access';
import { type PolicyCheck, type PolicyRow, type PolicyTold, subsetsOf } from './answers';
import { facts, ofService, useAsked } from './api';
import { ApplyRow, ChangeView, CheckedWriteDialog, WriteDialog } from './change';
import { useChecked } from './checked';
import { DocumentEditor } from './document-editor';
import { useDraft, type Written } from './drafts';
import { ago, shortAuthor } from './say';
import { words as t } from './words';

const LOOK_MS = 10_000;
const NONE = [] as const;

/** The policy as text: checked while it is edited, with what it would change. */
export function PolicyTab({ service }: { readonly service: string }) {
  const { told, refused, isLoading, reload } = useAsked<PolicyTold>(ofService(service, 'policy'), LOOK_MS);
  if (isLoading) return <p class="empty">{t('loading')}</p>;
  const isNone = refused?.status === 404;
  const refusal = refused !== undefined && !isNone && <Refusal refused={refused} />;
  if (told === undefined && !isNone) return refusal || null;
  const rows = told?.result.datacenters ?? [];
  const [first] = rows;
  return (
    <>
      {refusal}
      {told?.result.diverging === true && <Notice tone="warn">{t('divergingHint')}</Notice>}
      <Card title={t('inForce')}>
        {rows.length === 0 ? (
          <p class="empty">{t('noPolicy')}</p>
        ) : (
          rows.map((row) => <InForce key={row.datacenter} row={row} />)
        )}
      </Card>
      <PolicyEditor service={service} row={first} subsets={subsetsOf(told?.result)} onDone={reload} />
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

function PolicyEditor(props: {
  readonly service: string;
  readonly row: PolicyRow | undefined;
  readonly subsets: readonly string[];
  readonly onDone: () => void;
}) {
  const { service, row, subsets, onDone } = props;
  const [draft, setDraft] = useDraft(`policy ${service}`);
  const [isWriting, setWriting] = useState(false);
  const stands: Written = { revision: row?.revision, text: row?.yaml ?? starter(service) };
  const base = draft?.base ?? stands;
  const text = draft?.text ?? stands.text;
  const isBehind = base.revision !== stands.revision;
  const body = draft === undefined ? undefined : { text };
  const asked = useChecked<PolicyCheck>(ofService(service, 'policy/check'), body);
  // What the text would change, it changes in what stands there.
  useEffect(() => asked.reload(), [stands.revision]);
  const check = draft === undefined ? undefined : asked.told?.result;
  const changes = check?.changes ?? NONE;
  // What somebody else has written since is not overwritten unseen. With several, each has a revision of its own.
  const isOne = changes.length === 1;
  const edit = (next: string): void => setDraft(next === base.text ? undefined : { text: next, base });
  return (
    <Card title={t('text')} aside={check === undefined ? undefined : t(check.isValid ? 'valid' : 'notValid')}>
      <div class="stack">
        <p class="quiet">{t('policyTextHint')}</p>
        {isBehind && row !== undefined && (
          <Behind row={row} onKeep={() => setDraft({ text, base: stands })} onDrop={() => setDraft(undefined)} />
        )}
        <DocumentEditor
          label={t('policyText')}
          text={text}
          onText={edit}
          document="policy"
          subsets={subsets}
          problems={check?.problems ?? NONE}
          warnings={check?.warnings ?? NONE}
        />
        {asked.refused !== undefined && <Refusal refused={asked.refused} />}
        {changes.map((change) => (
          <ChangeView key={change.datacenter} change={change} isSeveral={changes.length > 1} />
        ))}
        <ApplyRow
          canApply={check?.isValid === true && !asked.isLoading && !isBehind}
          onApply={() => setWriting(true)}
          onReset={draft === undefined ? undefined : () => setDraft(undefined)}
        />
      </div>
      {isWriting && !isBehind && (
        <CheckedWriteDialog
          title={t('applyPolicy', { service })}
          verb={t('apply')}
          flags={['force', 'allowReshuffle']}
          asked={{ ...asked, told: asked.told && { ...asked.told, result: changes } }}
          write={{
            method: 'PUT',
            path: ofService(service, 'policy'),
            body: { text, ...(isOne ? { ifRevision: base.revision ?? 'none' } : {}) },
          }}
          onClose={() => setWriting(false)}
          onRefused={onDone}
          onDone={() => {
            setDraft(undefined);
            onDone();
          }}
        />
      )}
    </Card>
  );
}

/** Somebody else has changed what is being edited. */
function Behind(props: { readonly row: PolicyRow; readonly onKeep: () => void; readonly onDrop: () => void }) {
  const { number, time, author = '', revision = t('noPolicy') } = props.row;
  const who = { author: shortAuthor(author), ago: time === undefined ? '' : ago(time), number: number ?? revision };
  return (
    <div class="notice warn team-cause" role="alert">
      <p>{t('changedMeanwhile', who)}</p>
      <button type="button" class="button" onClick={props.onKeep}>
        {t('keepMine')}
      </button>
      <button type="button" class="button" onClick={props.onDrop}>
        {t('dropMine')}
      </button>
    </div>
  );
}
