import {
  autocompletion,
  type CompletionContext,
  type CompletionResult,
  completionKeymap,
} from '@codemirror/autocomplete';
import { defaultKeymap, history, historyKeymap } from '@codemirror/commands';
import { yaml } from '@codemirror/lang-yaml';
import { HighlightStyle, indentOnInput, syntaxHighlighting } from '@codemirror/language';
import { type Diagnostic, lintGutter, lintKeymap, setDiagnostics } from '@codemirror/lint';
import { EditorState, type Extension, type Text } from '@codemirror/state';
import {
  drawSelection,
  EditorView,
  highlightActiveLine,
  hoverTooltip,
  keymap,
  lineNumbers,
  type Tooltip,
} from '@codemirror/view';
import { tags } from '@lezer/highlight';
import { useEffect, useRef } from 'preact/hooks';
import { rolloutSchema } from '../../ops/rollout/rollout-schema';
import type { PolicyProblem } from '../../policy/plan';
import { policySchema } from '../../policy/policy-schema';
import { language } from '../kit/i18n';
import { helpAt, proposalsAt } from './schema-help';

const SCHEMAS = { policy: policySchema, rollout: rolloutSchema } as const;

export interface EditorProps {
  /** For screen readers. */
  readonly label: string;
  readonly text: string;
  /** Called with each text that is typed; not with those that `text` brings. */
  readonly onText: (text: string) => void;
  /** Which language it is in: what is completed, and what is told of a key. */
  readonly document: keyof typeof SCHEMAS;
  /** Names that a destination may have. */
  readonly subsets: readonly string[];
  readonly problems: readonly PolicyProblem[];
  readonly warnings: readonly PolicyProblem[];
  /** Moves the cursor to a problem. */
  readonly handle?: { current: EditorHandle | undefined };
}

export interface EditorHandle {
  /** 1-based. */
  goTo(line: number, column: number): void;
}

/**
 * YAML with completion and hover from its JSON Schema, and with problems as marks. The editor lives in a shadow root: its
 * styles are constructed sheets there, which a policy without inline styles lets pass.
 */
export function Editor(props: EditorProps) {
  const host = useRef<HTMLDivElement>(null);
  const view = useRef<EditorView | undefined>(undefined);
  /** Texts that were typed since the page last had the newest of them: it may be behind. */
  const typed = useRef(new Set<string>());
  const latest = useRef(props);
  latest.current = props;
  useEffect(() => {
    const element = host.current;
    if (element === null) return;
    const root = element.shadowRoot ?? element.attachShadow({ mode: 'open' });
    const made = new EditorView({
      parent: root,
      root,
      state: EditorState.create({ doc: latest.current.text, extensions: extensionsOf(latest, typed.current) }),
    });
    view.current = made;
    if (props.handle !== undefined) props.handle.current = { goTo: (line, column) => goTo(made, line, column) };
    return () => made.destroy();
  }, []);
  useEffect(() => {
    const { current } = view;
    if (current === undefined) return;
    const own = current.state.doc.toString();
    if (own === props.text) typed.current.clear();
    else if (!typed.current.has(props.text)) current.dispatch({ changes: changeOf(own, props.text) });
  }, [props.text]);
  useEffect(() => {
    const { current } = view;
    if (current === undefined) return;
    const marks = [
      ...props.problems.map((problem) => markOf(current.state.doc, problem, 'error')),
      ...props.warnings.map((problem) => markOf(current.state.doc, problem, 'warning')),
    ];
    current.dispatch(setDiagnostics(current.state, marks));
  }, [props.problems, props.warnings]);
  // Its name is an attribute that is looked at with each update.
  useEffect(() => view.current?.dispatch({}), [props.label]);
  return <div class="editor" ref={host} />;
}

function extensionsOf(latest: { readonly current: EditorProps }, typed: Set<string>): Extension {
  return [
    lineNumbers(),
    lintGutter(),
    history(),
    drawSelection(),
    indentOnInput(),
    highlightActiveLine(),
    yaml(),
    syntaxHighlighting(COLOURS),
    autocompletion({ override: [(context) => completionsOf(context, latest.current)], icons: false }),
    hoverTooltip((shown, at) => hoverOf(shown, at, latest.current.document)),
    // Tab leaves the editor, as it leaves any other field.
    keymap.of([...completionKeymap, ...lintKeymap, ...historyKeymap, ...defaultKeymap]),
    EditorView.lineWrapping,
    EditorView.domEventHandlers({ beforeinput: replaceLines }),
    EditorView.contentAttributes.of(() => ({ 'aria-label': latest.current.label, spellcheck: 'false' })),
    language.get() === 'zh' ? EditorState.phrases.of(CHINESE) : [],
    EditorView.updateListener.of((update) => {
      if (!update.docChanged) return;
      const text = update.state.doc.toString();
      if (text === latest.current.text) return;
      typed.add(text);
      latest.current.onText(text);
    }),
    THEME,
  ];
}

/** At once: an answer that comes later may come for another text, or take the place of a list that is being read. */
function completionsOf(context: CompletionContext, { document, subsets }: EditorProps): CompletionResult | null {
  const { from, all } = proposalsAt(SCHEMAS[document], context.state.doc.toString(), context.pos, subsets);
  if (all.length === 0 || (from === context.pos && !context.explicit)) return null;
  const options = all.map(({ label, detail, insert, kind }) => ({
    label,
    apply: insert,
    type: kind === 'key' ? 'property' : 'constant',
    ...(detail === '' ? {} : { info: detail }),
  }));
  return { from, options, validFor: /^[\w$.-]*$/ };
}

function hoverOf(view: EditorView, at: number, kind: EditorProps['document']): Tooltip | null {
  const line = view.state.doc.lineAt(at);
  const before = /[\w$-]*$/.exec(line.text.slice(0, at - line.from))?.[0].length ?? 0;
  const help = helpAt(SCHEMAS[kind], view.state.doc.toString(), at - before);
  if (help === undefined) return null;
  return {
    pos: at - before,
    above: true,
    create() {
      const dom = document.createElement('div');
      const path = document.createElement('strong');
      path.textContent = help.path;
      dom.append(path, document.createTextNode(` ${help.text}`));
      return { dom };
    },
  };
}

/** From where the problem stands to the end of its word, or of its line. */
function markOf(doc: Text, problem: PolicyProblem, severity: Diagnostic['severity']): Diagnostic {
  const line = doc.line(Math.min(doc.lines, Math.max(1, problem.line ?? 1)));
  const from = Math.min(line.to, line.from + (problem.column ?? 1) - 1);
  const word = /^[^\s,:[\]{}]+/.exec(doc.sliceString(from, line.to))?.[0].length ?? line.to - from;
  return { from, to: Math.max(from, from + word), severity, message: problem.message };
}

/** What differs alone, so that the cursor and the history stay where they can. */
function changeOf(before: string, after: string): { from: number; to: number; insert: string } {
  let from = 0;
  while (from < before.length && from < after.length && before[from] === after[from]) from += 1;
  let end = 0;
  while (
    end < before.length - from &&
    end < after.length - from &&
    before[before.length - 1 - end] === after[after.length - 1 - end]
  ) {
    end += 1;
  }
  return { from, to: before.length - end, insert: after.slice(from, after.length - end) };
}

function goTo(view: EditorView, lineNumber: number, column: number): void {
  const line = view.state.doc.line(Math.min(view.state.doc.lines, Math.max(1, lineNumber)));
  view.dispatch({ selection: { anchor: Math.min(line.to, line.from + column - 1) }, scrollIntoView: true });
  view.focus();
}

/** A browser that joins lines by itself gives them styles inline, which the policy of our pages refuses. */
function replaceLines(event: InputEvent, view: EditorView): boolean {
  const { from, to } = view.state.selection.main;
  const { doc } = view.state;
  if (event.inputType !== 'insertText' || event.data === null || view.composing) return false;
  if (doc.lineAt(from).number === doc.lineAt(to).number) return false;
  event.preventDefault();
  view.dispatch(view.state.replaceSelection(event.data), { scrollIntoView: true, userEvent: 'input.type' });
  return true;
}

/** What the editor itself says. */
const CHINESE = {
  Completions: '补全',
  Diagnostics: '问题',
  'No diagnostics': '没有问题',
  close: '关闭',
};

const COLOURS = HighlightStyle.define([
  { tag: [tags.propertyName, tags.definition(tags.propertyName)], color: 'var(--accent)' },
  { tag: [tags.comment, tags.meta], color: 'var(--quiet)', fontStyle: 'italic' },
  { tag: [tags.punctuation, tags.separator, tags.brace, tags.squareBracket], color: 'var(--quiet)' },
  { tag: tags.string, color: 'var(--text)' },
]);

const THEME = EditorView.theme({
  '&': { color: 'var(--text)', backgroundColor: 'var(--sunken)', fontSize: '0.8125rem', maxHeight: '36rem' },
  '&.cm-focused': { outline: '2px solid var(--accent)', outlineOffset: '-2px' },
  '.cm-scroller': { fontFamily: 'var(--mono)', lineHeight: '1.55', overflow: 'auto' },
  '.cm-content': { caretColor: 'var(--text)', padding: '0.5rem 0' },
  '.cm-cursor': { borderLeftColor: 'var(--text)' },
  '.cm-gutters': { backgroundColor: 'transparent', color: 'var(--quiet)', border: 'none' },
  '.cm-gutter-lint': { width: '1rem' },
  '.cm-activeLine': { backgroundColor: 'color-mix(in srgb, var(--accent) 7%, transparent)' },
  '&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground': {
    backgroundColor: 'var(--accent-soft)',
  },
  '.cm-tooltip': {
    backgroundColor: 'var(--raised)',
    color: 'var(--text)',
    border: '1px solid var(--line)',
    borderRadius: '6px',
    fontFamily: 'var(--font)',
    maxWidth: 'min(26rem, 90vw)',
  },
  '.cm-tooltip-hover': { padding: '0.375rem 0.625rem' },
  '.cm-tooltip-lint': { padding: '0' },
  '.cm-tooltip.cm-tooltip-autocomplete > ul': { fontFamily: 'var(--mono)', maxHeight: '14rem' },
  '.cm-tooltip-autocomplete ul li[aria-selected]': { backgroundColor: 'var(--accent)', color: 'var(--on-accent)' },
  '.cm-completionInfo': { padding: '0.375rem 0.625rem' },
});
