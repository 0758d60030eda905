import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';
import { Notice } from '../kit/badge';
import { Dialog } from '../kit/dialog';
import { TextField } from '../kit/field';
import { useStore } from '../kit/store';
import { announce } from '../kit/toast';
import { Refusal } from './access';
import type { Change } from './answers';
import { type Asked, ask, facts, type Refused, type Told } from './api';
import { describeDifference, percent } from './say';
import { words as t } from './words';

/** What a change means in one datacenter: whom it moves, what speaks against it, what differs. */
export function ChangeView({ change, isSeveral }: { readonly change: Change; readonly isSeveral: boolean }) {
  const { datacenter, from, to, differences, movedCallers, refusals = [], remarks } = change;
  return (
    <div class="stack">
      {isSeveral && <h3>{datacenter}</h3>}
      {differences.length === 0 ? (
        <p class="quiet">{t('unchanged')}</p>
      ) : (
        <p class="quiet">
          <code>{from ?? t('noPolicy')}</code> → <code>{to}</code>
        </p>
      )}
      {refusals.map((text) => (
        <Notice key={text} tone="bad">
          {text}
        </Notice>
      ))}
      {movedCallers.map(({ route, of, moved, needed }) => (
        <p key={`${route} ${of}`} class="team-moved">
          <strong>{percent(moved)}</strong>{' '}
          {t(of === 'split' ? 'usersMove' : 'sampleMoves', { route, needed: percent(needed) })}
        </p>
      ))}
      {remarks.map((text) => (
        <Notice key={text}>{text}</Notice>
      ))}
      <Differences differences={differences} />
    </div>
  );
}

/** What differs, a line each. */
export function Differences({ differences }: { readonly differences: Change['differences'] }) {
  if (differences.length === 0) return null;
  return (
    <ul class="team-diff">
      {differences.map((difference) => (
        <li key={difference.path + difference.kind} class={difference.kind}>
          {describeDifference(difference)}
        </li>
      ))}
    </ul>
  );
}

interface WriteRequest {
  readonly method: 'PUT' | 'DELETE';
  readonly path: string;
  readonly body: Readonly<Record<string, unknown>>;
}

export interface WriteDialogProps {
  readonly title: string;
  /** Of the button that does it. */
  readonly verb: string;
  readonly write: WriteRequest;
  /** What overrules what stands against it. Default: nothing does. */
  readonly flags?: readonly ('force' | 'allowReshuffle')[];
  /** Something is known to stand against it. Default: not until it is refused. */
  readonly isDoubted?: boolean;
  /** What it would do is known. Default: true. */
  readonly isReady?: boolean;
  readonly children?: ComponentChildren;
  readonly onClose: () => void;
  /** It was refused; what stands there may be another than was known. */
  readonly onRefused?: () => void;
  readonly onDone: () => void;
}

/** Asks why, writes as the command would, and says what became of it. */
export function WriteDialog(props: WriteDialogProps) {
  const {
    title,
    verb,
    write,
    flags = [],
    isDoubted = false,
    isReady = true,
    children,
    onClose,
    onRefused,
    onDone,
  } = props;
  const [message, setMessage] = useState('');
  const [isForced, setForced] = useState(false);
  const [refused, setRefused] = useState<Refused | undefined>();
  const [isBusy, setBusy] = useState(false);
  const isReadOnly = useStore(facts)?.isReadOnly === true;
  // Where a check says what stands against it, that is what is overruled, and not that somebody else was faster.
  const isRefused = refused?.status === 409 && onRefused === undefined;
  const isToForce = flags.length > 0 && (isDoubted || isRefused);
  const canWrite = message.trim() !== '' && isReady && !isBusy && !isReadOnly && (!isToForce || isForced);
  const carryOut = async (): Promise<void> => {
    if (!canWrite) return;
    setBusy(true);
    const forced = isForced ? Object.fromEntries(flags.map((flag) => [flag, true])) : {};
    try {
      const { method, path, body } = write;
      const told = await ask<unknown>(path, { method, body: { ...body, message: message.trim(), ...forced } });
      announce(doneWords(told), 'good');
      onClose();
      onDone();
    } catch (error) {
      setBusy(false);
      // Anything else is a fault of the page's own, and seen in the browser's console.
      if (!(error instanceof Error) || !('status' in error)) throw error;
      setRefused(error as Refused);
      if ((error as Refused).status === 409) onRefused?.();
    }
  };
  return (
    <Dialog
      title={title}
      onClose={onClose}
      actions={
        <button type="button" class="button primary" disabled={!canWrite} onClick={() => void carryOut()}>
          {verb}
        </button>
      }
    >
      {children}
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void carryOut();
        }}
      >
        <TextField label={t('why')} value={message} onInput={setMessage} hint={t('whyHint')} />
      </form>
      {isReadOnly && <Notice tone="warn">{t('readOnlyHint')}</Notice>}
      {refused !== undefined && <Refusal refused={refused} />}
      {isToForce && (
        <label class="row">
          <input type="checkbox" checked={isForced} onChange={(event) => setForced(event.currentTarget.checked)} />
          {t('overrule')}
        </label>
      )}
    </Dialog>
  );
}

/** `written local: number 7` */
function doneWords({ result }: Told<unknown>): string {
  const results = (Array.isArray(result) ? result : [result]) as readonly Record<string, unknown>[];
  const words = results.flatMap((each) => {
    const { datacenter, outcome, number } = each ?? {};
    if (typeof number === 'number') return [t('written', { datacenter: String(datacenter), number })];
    return typeof outcome === 'string' ? [outcome] : [];
  });
  return words.length === 0 ? t('done') : words.join('; ');
}

/** What a change would do, and the dialog that does it. `asked`: the answer of a check, asked again when it is refused. */
export function CheckedWriteDialog(
  props: Omit<WriteDialogProps, 'isDoubted' | 'isReady' | 'children'> & { readonly asked: Asked<readonly Change[]> },
) {
  const { asked, onRefused, ...rest } = props;
  const { told, refused, isLoading } = asked;
  const changes = told?.result ?? [];
  const isRefused = changes.some(({ outcome }) => outcome === 'refused');
  return (
    <WriteDialog
      {...rest}
      isReady={!isLoading}
      isDoubted={isRefused}
      onRefused={() => {
        asked.reload();
        onRefused?.();
      }}
    >
      {isLoading && <p class="empty">{t('loading')}</p>}
      {refused !== undefined && <Refusal refused={refused} />}
      {told !== undefined && changes.length === 0 && told.error !== undefined && (
        <Notice tone="bad">{told.error.message}</Notice>
      )}
      {changes.map((change) => (
        <ChangeView key={change.datacenter} change={change} isSeveral={changes.length > 1} />
      ))}
    </WriteDialog>
  );
}

/** Below a change that is prepared: the way to its dialog, and the way back. Undefined: there is nothing to take back. */
export function ApplyRow(props: {
  readonly canApply: boolean;
  readonly onApply: () => void;
  readonly onReset: (() => void) | undefined;
}) {
  const isReadOnly = useStore(facts)?.isReadOnly === true;
  return (
    <div class="row">
      <button type="button" class="button primary" disabled={isReadOnly || !props.canApply} onClick={props.onApply}>
        {t('apply')}…
      </button>
      <button type="button" class="button" disabled={props.onReset === undefined} onClick={props.onReset}>
        {t('reset')}
      </button>
    </div>
  );
}
