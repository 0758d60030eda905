import { type ComponentChildren, type ComponentType, render } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { Select } from './field';
import { LANGUAGES, type Language, language } from './i18n';
import { createRememberedStore, type Store, useStore } from './store';
import { Toasts } from './toast';
import { kitWords as t } from './words';

type Theme = 'auto' | 'light' | 'dark';

/** The colours that the reader chose. What draws by itself, such as a canvas, draws again when they change. */
export const theme: Store<Theme> = createRememberedStore<Theme>('theme', () => 'auto', ['auto', 'light', 'dark']);

export interface ShellProps {
  /** Of the browser's tab, too. */
  readonly title: string;
  /** Beside the title: what is shown, whether it is live. */
  readonly about?: ComponentChildren;
  /** Names what the main part shows. When it is another, reading begins anew: at the top, with the focus there. */
  readonly place?: string;
  readonly children: ComponentChildren;
}

/** Head, choices of language and colours, main part and toasts: the frame of every page. */
export function Shell({ title, about, place, children }: ShellProps) {
  const chosen = useStore(language);
  const colours = useStore(theme);
  useEffect(() => {
    document.documentElement.lang = chosen === 'zh' ? 'zh-CN' : 'en';
    document.documentElement.dataset['theme'] = colours;
    document.title = `${title} · Graylane`;
  }, [chosen, colours, title]);
  const former = useRef(place);
  useEffect(() => {
    if (former.current === place) return;
    former.current = place;
    scrollTo(0, 0);
    // What led here is gone, and would leave the focus nowhere.
    document.getElementById('main')?.focus({ preventScroll: true });
  }, [place]);
  const themes = (['auto', 'light', 'dark'] as const).map((value) => ({ value, label: t(`theme.${value}`) }));
  return (
    <>
      <button type="button" class="skip button" onClick={() => document.getElementById('main')?.focus()}>
        {t('skip')}
      </button>
      <header class="shell-head">
        <span class="brand">
          <svg viewBox="0 0 24 24" aria-hidden="true">
            <path d="M4 4v16M20 4v16" stroke="currentColor" stroke-width="2.5" stroke-linecap="round" fill="none" />
            <path d="M12 4v3m0 3.5v3m0 3.5v3" stroke="currentColor" stroke-width="2.5" stroke-linecap="round" />
          </svg>
          Graylane
        </span>
        <div class="shell-about">{about}</div>
        <div class="shell-choices">
          <Select
            label={t('theme')}
            isBare
            value={colours}
            options={themes}
            onChange={(value) => theme.set(value as Theme)}
          />
          <Select
            label={t('language')}
            isBare
            value={chosen}
            options={LANGUAGES}
            onChange={(value) => language.set(value as Language)}
          />
        </div>
      </header>
      <main class="shell-main" id="main" tabIndex={-1}>
        {children}
      </main>
      <Toasts />
    </>
  );
}

/** Shows a page in the document of its server. Everything is rendered again when the language changes. */
export function mountPage(Page: ComponentType): void {
  const Root = () => {
    useStore(language);
    return <Page />;
  };
  const root = document.getElementById('page');
  if (root !== null) render(<Root />, root);
}

/** A part of a page with a heading of its own. */
export function Card(props: {
  readonly title: ComponentChildren;
  readonly aside?: ComponentChildren;
  readonly children: ComponentChildren;
  readonly class?: string;
}) {
  return (
    <section class={`card ${props.class ?? ''}`}>
      <div class="card-head">
        <h2>{props.title}</h2>
        {props.aside !== undefined && <span class="aside">{props.aside}</span>}
      </div>
      {props.children}
    </section>
  );
}
