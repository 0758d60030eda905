import type { Tone } from './badge';
import { createStore, useStore } from './store';

interface Toast {
  readonly id: number;
  readonly text: string;
  readonly tone: Tone;
}

const toasts = createStore<readonly Toast[]>([]);
let last = 0;

/** Tells the reader, also one who cannot see it, and goes after `forMs`. */
export function announce(text: string, tone: Tone = 'quiet', forMs = 6_000): void {
  last += 1;
  const toast = { id: last, text, tone };
  toasts.set([...toasts.get().slice(-3), toast]);
  setTimeout(() => toasts.set(toasts.get().filter((each) => each !== toast)), forMs);
}

export function Toasts() {
  const shown = useStore(toasts);
  return (
    <div class="toasts" role="status" aria-live="polite">
      {shown.map(({ id, text, tone }) => (
        <div key={id} class={`notice ${tone}`}>
          {text}
        </div>
      ))}
    </div>
  );
}
