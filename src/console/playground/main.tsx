import type { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { Editor, type EditorHandle } from '../editor/editor';
import { Badge, Notice } from '../kit/badge';
import { Select } from '../kit/field';
import { language } from '../kit/i18n';
import { Card, mountPage, Shell } from '../kit/shell';
import { announce, Toasts } from '../kit/toast';
import { BreakerCard } from './breaker';
import { CallCard } from './call';
import type { CheckAnswer, PlaygroundCall } from './engine/answer';
import { EXAMPLES, startOf } from './examples';
import { type PlaygroundState, readLink, writeLink } from './link';
import { RolloutCard } from './rollout';
import { useAnswer } from './use-answer';
import { UsersCard } from './users';
import { words as t } from './words';

const [FIRST = { id: 'sticky', policy: '', labels: [] } as const] = EXAMPLES;
/** `?embed`: inside another page, which has a head of its own. */
const ASKED = new URLSearchParams(location.search);
const IS_EMBEDDED = ASKED.has('embed');
const LINK_AFTER_MS = 300;

function PlaygroundPage() {
  const [loaded, setLoaded] = useState<Loaded | undefined>(
    location.hash === '' ? { state: startOf(FIRST), link: 0 } : undefined,
  );
  const [isBadLink, setBadLink] = useState(false);
  useEffect(() => {
    let links = 0;
    const read = async (hash: string): Promise<void> => {
      links += 1;
      const link = links;
      const found = hash === '' ? undefined : await readLink(hash, startOf(FIRST));
      // Another has been pasted meanwhile.
      if (link !== links) return;
      setBadLink(hash.length > 1 && found === undefined);
      setLoaded((now) => (found === undefined && now !== undefined ? now : { state: found ?? startOf(FIRST), link }));
    };
    if (location.hash !== '') void read(location.hash);
    // A link that is pasted over the address; those that are written here change it without an event. The event's own
    // address: what was being written meanwhile may have taken its place.
    const readAgain = ({ newURL }: HashChangeEvent): void => void read(new URL(newURL).hash);
    addEventListener('hashchange', readAgain);
    return () => removeEventListener('hashchange', readAgain);
  }, []);
  const page = (
    <>
      {isBadLink && <Notice tone="warn">{t('badLink')}</Notice>}
      {/* Nothing can be changed before it is known what is there, and nothing of it stays when a link takes its place. */}
      {loaded !== undefined && <Playground key={loaded.link} start={loaded.state} />}
    </>
  );
  if (IS_EMBEDDED) return <Embedded>{page}</Embedded>;
  return (
    <Shell title={t('title')} about={t('about')}>
      {page}
    </Shell>
  );
}

interface Loaded {
  readonly state: PlaygroundState;
  /** Which of the links that were read it is of; 0 without one. */
  readonly link: number;
}

/** All that a link carries, kept in the address as it changes. */
function Playground({ start }: { readonly start: PlaygroundState }) {
  const [state, setState] = useState(start);
  useEffect(() => {
    if (state === start) return;
    const timer = setTimeout(() => void keepInAddress(state), LINK_AFTER_MS);
    return () => clearTimeout(timer);
  }, [state]);
  const change = (part: Partial<PlaygroundState>): void => setState((now) => ({ ...now, ...part }));
  return (
    <div class="play">
      <PolicyPart state={state} onChange={change} />
    </div>
  );
}

/** In place of the shell: no head, and language and colours as the address says, `?embed=1&lang=zh&theme=dark`. */
function Embedded({ children }: { readonly children: ComponentChildren }) {
  const lang = ASKED.get('lang');
  const colours = ASKED.get('theme');
  useEffect(() => {
    if (lang === 'en' || lang === 'zh') language.set(lang);
    if (colours === 'light' || colours === 'dark') document.documentElement.dataset['theme'] = colours;
    document.documentElement.lang = language.get() === 'zh' ? 'zh-CN' : 'en';
    document.title = `${t('title')} · Graylane`;
  }, []);
  return (
    <>
      <main class="shell-main play-embedded">{children}</main>
      <Toasts />
    </>
  );
}

interface PolicyPartProps {
  readonly state: PlaygroundState;
  readonly onChange: (part: Partial<PlaygroundState>) => void;
}

function PolicyPart({ state, onChange }: PolicyPartProps) {
  const check = useAnswer({ kind: 'check', text: state.policy });
  const isSound = check !== undefined && check.problems.length === 0;
  // What the rest of the page is about while the text is half typed.
  const sound = useRef(state.policy);
  if (isSound && check.outline !== undefined) sound.current = check.text;
  const outline = useRef(check?.outline);
  outline.current = check?.outline ?? outline.current;
  const handle = useRef<EditorHandle | undefined>(undefined);
  const call: PlaygroundCall = {
    method: state.method,
    labels: Object.fromEntries(state.labels.filter(([key]) => key !== '')),
    caller: state.caller.trim(),
    lanes: state.lanes
      .split(',')
      .map((lane) => lane.trim())
      .filter((lane) => lane !== ''),
  };
  const shared = { state, onChange, text: sound.current, isSound, call, outline: outline.current };
  return (
    <>
      <div class="play-left">
        <Card title={t('policy')} aside={<Standing check={check} />}>
          <div class="row play-tools">
            <ExampleSelect state={state} onChange={onChange} />
            <ShareButton state={state} />
          </div>
          <Editor
            label={t('policyLabel')}
            text={state.policy}
            onText={(policy) => onChange({ policy })}
            document="policy"
            subsets={outline.current?.subsets.map(({ name }) => name) ?? []}
            problems={check?.problems ?? []}
            warnings={check?.warnings ?? []}
            handle={handle}
          />
          {check !== undefined && (
            <ProblemList check={check} onGo={(line, column) => handle.current?.goTo(line, column)} />
          )}
        </Card>
        <CallCard {...shared} />
      </div>
      <div class="play-right">
        <UsersCard {...shared} />
        <div class="play-simulators">
          <BreakerCard {...shared} />
          <RolloutCard {...shared} />
        </div>
      </div>
    </>
  );
}

function Standing({ check }: { readonly check: CheckAnswer | undefined }) {
  if (check === undefined) return <>{t('reading')}</>;
  const { problems, warnings, outline } = check;
  if (problems.length > 0) return <Badge tone="bad">{t('problemCount', { n: problems.length })}</Badge>;
  if (warnings.length > 0) return <Badge tone="warn">{t('warningCount', { n: warnings.length })}</Badge>;
  return <Badge tone="good">{t('sound', { revision: outline?.revision ?? '' })}</Badge>;
}

function ProblemList(props: { readonly check: CheckAnswer; readonly onGo: (line: number, column: number) => void }) {
  const { problems, warnings } = props.check;
  if (problems.length + warnings.length === 0) return null;
  return (
    <div class="stack play-problems">
      <ul aria-label={t('problems')}>
        {[...problems, ...warnings].map(({ message, line, column }) => (
          <li key={message}>
            {line !== undefined && (
              <button type="button" class="button plain" onClick={() => props.onGo(line, column ?? 1)}>
                {t('goTo', { line })}
              </button>
            )}{' '}
            <span>{message}</span>
          </li>
        ))}
      </ul>
      {problems.length > 0 && <p class="quiet">{t('keepsLast')}</p>}
    </div>
  );
}

function ExampleSelect({ state, onChange }: PolicyPartProps) {
  const current = EXAMPLES.find(({ policy }) => policy === state.policy);
  const options = EXAMPLES.map(({ id }) => ({ value: id as string, label: t(`example.${id}`) }));
  return (
    <Select
      label={t('example')}
      isBare
      value={current?.id ?? ''}
      options={current === undefined ? [{ value: '', label: t('exampleOwn') }, ...options] : options}
      onChange={(id) => {
        const chosen = EXAMPLES.find((example) => example.id === id);
        if (chosen === undefined) return;
        const { policy, before, labels, lanes, method } = startOf(chosen);
        onChange({ policy, before, labels, lanes, method });
      }}
    />
  );
}

function ShareButton({ state }: { readonly state: PlaygroundState }) {
  const share = async (): Promise<void> => {
    const link = await keepInAddress(state);
    if (link === undefined) return announce(t('tooLong'), 'warn');
    try {
      await navigator.clipboard.writeText(location.href);
      announce(t('shared'), 'good');
    } catch {
      announce(t('shareFailed'), 'warn');
    }
  };
  return (
    <button type="button" class="button" onClick={() => void share()}>
      {t('share')}
    </button>
  );
}

let writes = 0;

/** Puts the state into the address, without a step in the browser's history. Undefined: it is too long, and was not. */
async function keepInAddress(state: PlaygroundState): Promise<string | undefined> {
  writes += 1;
  const write = writes;
  const link = await writeLink(state);
  // A later one may have been quicker.
  if (link !== undefined && write === writes) history.replaceState(null, '', `#${link}`);
  return link;
}

mountPage(PlaygroundPage);
