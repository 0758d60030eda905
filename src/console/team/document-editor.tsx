import type { FunctionComponent } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { PolicyProblem } from '../../policy/plan';
import type { EditorHandle, EditorProps } from '../editor/editor';
import { Notice } from '../kit/badge';
import { words as t } from './words';

export type DocumentEditorProps = Omit<EditorProps, 'handle'>;

/** A document as text, and below it what is wrong, each with the way to its line. The editor is loaded when it is needed. */
export function DocumentEditor(props: DocumentEditorProps) {
  const [Editor, setEditor] = useState<FunctionComponent<EditorProps> | 'failed'>();
  const handle = useRef<EditorHandle | undefined>(undefined);
  useEffect(() => {
    import('../editor/editor.js').then(
      (loaded) => setEditor(() => loaded.Editor),
      () => setEditor('failed'),
    );
  }, []);
  const { problems, warnings } = props;
  if (Editor === undefined) return <p class="empty">{t('loading')}</p>;
  if (Editor === 'failed') return <Notice tone="bad">{t('noAnswer')}</Notice>;
  return (
    <>
      <Editor {...props} handle={handle} />
      <ul class="team-problems" aria-live="polite" aria-label={t('problems')}>
        {problems.map((problem) => (
          <Problem key={problem.message} tone="bad" {...{ problem, handle }} />
        ))}
        {warnings.map((problem) => (
          <Problem key={problem.message} tone="warn" {...{ problem, handle }} />
        ))}
      </ul>
    </>
  );
}

function Problem(props: {
  readonly problem: PolicyProblem;
  readonly tone: 'bad' | 'warn';
  readonly handle: { readonly current: EditorHandle | undefined };
}) {
  const { line, column, message } = props.problem;
  return (
    <li class={props.tone}>
      {line !== undefined && (
        <button type="button" class="button plain" onClick={() => props.handle.current?.goTo(line, column ?? 1)}>
          {t('line', { line })}
        </button>
      )}
      {message}
    </li>
  );
}
