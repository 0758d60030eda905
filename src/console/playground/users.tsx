import { useEffect, useRef, useState } from 'preact/hooks';
import { Notice } from '../kit/badge';
import { formatNumber } from '../kit/i18n';
import { ShareLegend, type SharePart } from '../kit/shares';
import { Card, theme } from '../kit/shell';
import { useStore } from '../kit/store';
import { DotBoard, type DotColours, shownPlaces } from './dots';
import type { CrowdAnswer } from './engine/answer';
import type { OutlinedRoute } from './engine/outline';
import { engine } from './engine-client';
import { type PartProps, partOf } from './parts';
import { useAnswer } from './use-answer';
import { words as t } from './words';

/** What is beyond them is changed in the text. */
const MOST_ROUTES = 12;
const MOST_ENTRIES = 12;

/** 10,000 users, and the weights that part them. */
export function UsersCard(props: PartProps) {
  const { state, onChange, text, call, outline } = props;
  const { before } = state;
  const answer = useAnswer({ kind: 'crowd', before: before === '' ? text : before, text, call });
  const routes = outline?.routes.filter(({ entries }) => entries.length > 1) ?? [];
  const label = outline?.userLabel;
  return (
    <Card title={t('users')}>
      <div class="stack">
        <p class="quiet">{label === undefined ? t('usersByChance') : t('usersAbout', { label })}</p>
        {routes.length === 0 && <p class="quiet">{t('noSplit')}</p>}
        {routes.slice(0, MOST_ROUTES).map((route) => (
          <Weights key={route.name} route={route} {...props} />
        ))}
        {routes.length > MOST_ROUTES && <p class="quiet">{t('moreRoutes', { n: routes.length - MOST_ROUTES })}</p>}
        {answer !== undefined && <Dots answer={answer} />}
        <div class="row play-compare">
          {answer !== undefined && <Moved answer={answer} />}
          <button type="button" class="button" disabled={before === text} onClick={() => onChange({ before: text })}>
            {t('compare')}
          </button>
          <button
            type="button"
            class="button"
            disabled={before === '' || before === state.policy}
            onClick={() => onChange({ policy: before })}
          >
            {t('back')}
          </button>
        </div>
      </div>
    </Card>
  );
}

interface Dragged {
  readonly entry: number;
  readonly percent: number;
}

/** A slider for each entry of a split. The others share what is left, as they did when the drag began. */
function Weights({ route, state, onChange, text, isSound, outline }: PartProps & { readonly route: OutlinedRoute }) {
  const subsets = outline?.subsets.map(({ name }) => name) ?? [];
  const origin = useRef<string | undefined>(undefined);
  /** The newest change of a weight, while the text with it is being made. */
  const out = useRef<Dragged | undefined>(undefined);
  /** What the last change of a weight made of the text. */
  const made = useRef<string | undefined>(undefined);
  const [dragged, setDragged] = useState<Dragged>();
  const policy = useRef(state.policy);
  policy.current = state.policy;
  const drag = async (entry: number, percent: number): Promise<void> => {
    origin.current ??= text;
    // The first change of a weight is what the others are compared with, until somebody asks for another.
    const before = state.before === '' ? { before: text } : {};
    const change = { entry, percent };
    setDragged(change);
    out.current = change;
    const from = policy.current;
    const next = await engine.ask({
      kind: 'reweigh',
      text: origin.current,
      route: route.index,
      ...change,
    });
    if (out.current !== change) return;
    out.current = undefined;
    if (next === undefined || from !== policy.current) {
      setDragged(undefined);
      return;
    }
    made.current = next;
    onChange({ policy: next, ...before });
  };
  const end = (): void => {
    origin.current = undefined;
  };
  useEffect(() => {
    // Somebody has changed the text in another way.
    if (origin.current === undefined && state.policy !== made.current) setDragged(undefined);
  }, [state.policy]);
  // From then on, what the text says. Before that the text says what the drag was a moment ago, and the next press of a
  // key would count from there.
  const isSettled = origin.current === undefined && out.current === undefined && text === made.current;
  return (
    <fieldset class="play-weights">
      <legend>{route.name}</legend>
      {route.entries.slice(0, MOST_ENTRIES).map(({ to, percent }, entry) => {
        const shown = dragged?.entry === entry && !isSettled ? dragged.percent : percent;
        return (
          <label key={to}>
            <span class={`swatch part-${partOf(subsets, to) % 6}`} />
            <span>{to}</span>
            <input
              type="range"
              min="0"
              max="100"
              step="1"
              value={shown}
              // A weight of a text before would take the place of what is being typed.
              disabled={!isSound || (state.policy !== text && state.policy !== made.current)}
              aria-label={t('weightOf', { to, route: route.name })}
              aria-valuetext={`${formatNumber(shown, 2)} %`}
              onInput={({ currentTarget }) => void drag(entry, Number(currentTarget.value))}
              onChange={end}
            />
            <output>{formatNumber(shown, 2)} %</output>
          </label>
        );
      })}
    </fieldset>
  );
}

function Dots({ answer: { crowd, moved } }: { readonly answer: CrowdAnswer }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const board = useRef<DotBoard | undefined>(undefined);
  const colours = useStore(theme);
  const parts = shownPlaces(crowd).map((part): SharePart => {
    const amount = crowd.counts[part] ?? 0;
    return { label: `${crowd.destinations[part]} ${formatNumber(amount)}`, amount, part };
  });
  useEffect(() => {
    const { current: element } = canvas;
    if (element === null) return;
    board.current ??= new DotBoard(element);
    const drawn = board.current;
    const draw = (isStill: boolean): void => drawn.show(crowd, new Set(moved), coloursOf(element), isStill);
    draw(matchMedia('(prefers-reduced-motion: reduce)').matches);
    let isFirst = true;
    // The observer tells of the size that there is, too: that is no reason to stop a move.
    const resized = new ResizeObserver(() => {
      if (!isFirst) draw(true);
      isFirst = false;
    });
    resized.observe(element.parentElement ?? element);
    const scheme = matchMedia('(prefers-color-scheme: dark)');
    const redraw = (): void => draw(true);
    scheme.addEventListener('change', redraw);
    return () => {
      drawn.close();
      resized.disconnect();
      scheme.removeEventListener('change', redraw);
    };
  }, [crowd, moved, colours]);
  const counts = parts.map(({ label }) => label).join(', ');
  return (
    <div class="stack">
      <div>
        <canvas class="play-dots" ref={canvas} role="img" aria-label={t('dots', { counts, moved: moved.length })} />
      </div>
      <div class="row">
        <ShareLegend parts={parts} />
        {moved.length > 0 && (
          <ul class="legend">
            <li>
              <span class="swatch play-moved" />
              {t('movedLegend')}
            </li>
          </ul>
        )}
      </div>
    </div>
  );
}

function Moved({ answer: { moved, compared } }: { readonly answer: CrowdAnswer }) {
  const changed = compared.filter((each) => each.moved > 0 || each.reshuffled !== undefined);
  return (
    <div class="stack play-moves" role="status">
      <p>
        <strong>{moved.length === 0 ? t('nobodyMoves') : t('moved', { moved: formatNumber(moved.length) })}</strong>
      </p>
      {changed.map(({ route, of, moved: share, needed }) => {
        const values = { route, moved: formatNumber(share * 100, 2), needed: formatNumber(needed * 100, 2) };
        return (
          <p key={`${of} ${route}`} class="quiet">
            {t(of === 'sample' ? 'hadSample' : 'had', values)}
          </p>
        );
      })}
      {changed.map(
        ({ route, of, reshuffled }) =>
          reshuffled !== undefined && (
            <Notice key={`${of} ${route}`} tone="warn">
              {t('reshuffled', { reason: reshuffled })}
            </Notice>
          ),
      )}
    </div>
  );
}

/** A canvas knows no custom properties: the colours that they have now. */
function coloursOf(element: HTMLElement): DotColours {
  const probe = document.createElement('span');
  element.parentElement?.append(probe);
  const colour = (name: string): string => {
    probe.style.color = `var(--${name})`;
    return getComputedStyle(probe).color;
  };
  const parts = [0, 1, 2, 3, 4, 5].map((part) => colour(`part-${part}`));
  const font = `600 12px ${getComputedStyle(element).fontFamily}`;
  const colours = { parts, moved: colour('warn'), text: colour('text'), empty: colour('sunken'), font };
  probe.remove();
  return colours;
}
