import type { Crowd } from '../../ops/simulation/crowd';

const GAP = 12;
const TITLE = 20;
/** Dots in a row of a panel, by the number of users. */
const ACROSS = 125;
const NARROW = 420;
const MOVE_MS = 700;
/** Of dots whose panel is not shown. */
const OUTSIDE = -100;

/** What a dot is drawn in. */
export interface DotColours {
  /** By place of the destination. */
  readonly parts: readonly string[];
  readonly moved: string;
  readonly text: string;
  readonly empty: string;
  readonly font: string;
}

interface Panel {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** Panels that are shown: the rest, of the fewest users, is left to the text. */
const MOST_PANELS = 12;

/** Places of the destinations that are shown, in their order. */
export function shownPlaces({ counts }: Crowd): readonly number[] {
  const byCount = [...counts.keys()].sort((a, b) => (counts[b] ?? 0) - (counts[a] ?? 0));
  return byCount.slice(0, MOST_PANELS).sort((a, b) => a - b);
}

/**
 * Users as dots on a canvas: a panel for each destination, in which every user has a cell of their own. So only those
 * who move are seen to move, and all others stay where they are.
 */
export class DotBoard {
  readonly #canvas: HTMLCanvasElement;
  #crowd: Crowd | undefined;
  #moved: ReadonlySet<number> = new Set();
  #colours: DotColours | undefined;
  /** Panel of each destination; undefined for one that is not shown. */
  #panels: readonly (Panel | undefined)[] = [];
  /** Of each user where the dot is now, where it began, and where it goes: x and y in turn. */
  #now = new Float32Array(0);
  #from = new Float32Array(0);
  #to = new Float32Array(0);
  #cell = 2;
  #startedMs = 0;
  #frame = 0;

  constructor(canvas: HTMLCanvasElement) {
    this.#canvas = canvas;
  }

  /** `isStill`: dots are put where they belong at once. */
  show(crowd: Crowd, moved: ReadonlySet<number>, colours: DotColours, isStill: boolean): void {
    this.#crowd = crowd;
    this.#moved = moved;
    this.#colours = colours;
    const isNew = this.#now.length !== crowd.at.length * 2;
    const isResized = this.#layOut(crowd);
    if (isNew || isResized || isStill) this.#now = this.#to.slice();
    this.#from = this.#now.slice();
    this.#startedMs = performance.now();
    cancelAnimationFrame(this.#frame);
    this.#step(performance.now());
  }

  close(): void {
    cancelAnimationFrame(this.#frame);
  }

  /** Gives whether everything has another place than before. */
  #layOut(crowd: Crowd): boolean {
    const { clientWidth: width } = this.#canvas;
    const shown = shownPlaces(crowd);
    const columns = width < NARROW ? 1 : Math.min(shown.length, 3);
    const rows = Math.ceil(shown.length / columns);
    const panelWidth = (width - GAP * (columns - 1)) / columns;
    const cell = panelWidth / ACROSS;
    const panelHeight = TITLE + cell * Math.ceil(crowd.at.length / ACROSS);
    const isResized = this.#resize(width, Math.ceil(rows * panelHeight + (rows - 1) * GAP));
    const panels: (Panel | undefined)[] = crowd.destinations.map(() => undefined);
    for (const [at, place] of shown.entries()) {
      const left = (at % columns) * (panelWidth + GAP);
      const top = Math.floor(at / columns) * (panelHeight + GAP);
      panels[place] = { left, top, width: panelWidth, height: panelHeight };
    }
    this.#panels = panels;
    this.#cell = cell;
    this.#to = new Float32Array(crowd.at.length * 2).fill(OUTSIDE);
    for (const [user, place] of crowd.at.entries()) {
      const panel = panels[place];
      if (panel === undefined) continue;
      this.#to[user * 2] = panel.left + (user % ACROSS) * cell;
      this.#to[user * 2 + 1] = panel.top + TITLE + Math.floor(user / ACROSS) * cell;
    }
    return isResized;
  }

  /** False: it has this size already. */
  #resize(width: number, height: number): boolean {
    const ratio = globalThis.devicePixelRatio || 1;
    const pixels = { width: Math.round(width * ratio), height: Math.round(height * ratio) };
    if (this.#canvas.width === pixels.width && this.#canvas.height === pixels.height) return false;
    Object.assign(this.#canvas, pixels);
    this.#canvas.style.height = `${height}px`;
    return true;
  }

  #step(nowMs: number): void {
    const part = Math.min(1, (nowMs - this.#startedMs) / MOVE_MS);
    // Slow at both ends.
    const eased = part * part * (3 - 2 * part);
    let isMoving = false;
    for (let at = 0; at < this.#to.length; at += 1) {
      const from = this.#from[at] ?? 0;
      const to = this.#to[at] ?? 0;
      if (from === to) continue;
      this.#now[at] = from + (to - from) * eased;
      isMoving = true;
    }
    this.#draw();
    if (isMoving && part < 1) this.#frame = requestAnimationFrame((next) => this.#step(next));
  }

  #draw(): void {
    const context = this.#canvas.getContext('2d');
    const crowd = this.#crowd;
    const colours = this.#colours;
    if (context === null || crowd === undefined || colours === undefined) return;
    const ratio = globalThis.devicePixelRatio || 1;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, this.#canvas.clientWidth, this.#canvas.clientHeight);
    context.font = colours.font;
    context.textBaseline = 'top';
    for (const [place, panel] of this.#panels.entries()) {
      if (panel === undefined) continue;
      const { left, top, width, height } = panel;
      context.fillStyle = colours.empty;
      context.fillRect(left, top + TITLE - 2, width, height - TITLE + 4);
      context.fillStyle = colours.text;
      context.fillText(crowd.destinations[place] ?? '', left, top, width);
    }
    const size = Math.max(0.8, this.#cell * 0.72);
    const { parts } = colours;
    for (const [part, colour] of parts.entries()) {
      context.fillStyle = colour;
      this.#drawUsers(context, size, (user) => (crowd.at[user] ?? 0) % parts.length === part && !this.#moved.has(user));
    }
    // On top, and whole.
    context.fillStyle = colours.moved;
    this.#drawUsers(context, this.#cell, (user) => this.#moved.has(user));
  }

  #drawUsers(context: CanvasRenderingContext2D, size: number, isDrawn: (user: number) => boolean): void {
    for (let user = 0; user * 2 < this.#now.length; user += 1) {
      if (isDrawn(user)) context.fillRect(this.#now[user * 2] ?? 0, this.#now[user * 2 + 1] ?? 0, size, size);
    }
  }
}
