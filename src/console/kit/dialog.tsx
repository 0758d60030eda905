import type { ComponentChildren } from 'preact';
import { useEffect, useId, useRef } from 'preact/hooks';
import { kitWords as t } from './words';

export interface DialogProps {
  readonly title: string;
  readonly children: ComponentChildren;
  /** Beside "cancel". */
  readonly actions: ComponentChildren;
  /** Escape, "cancel", or a click beside it. */
  readonly onClose: () => void;
}

/** Asks before something is done; shown for as long as it is rendered. The browser keeps the focus inside. */
export function Dialog({ title, children, actions, onClose }: DialogProps) {
  const id = useId();
  const element = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const dialog = element.current;
    dialog?.showModal();
    return () => dialog?.close();
  }, []);
  return (
    <dialog
      ref={element}
      aria-labelledby={id}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
    >
      <div class="stack">
        <h2 id={id}>{title}</h2>
        {children}
      </div>
      <div class="dialog-actions">
        <button type="button" class="button" onClick={onClose}>
          {t('cancel')}
        </button>
        {actions}
      </div>
    </dialog>
  );
}
