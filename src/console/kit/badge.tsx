import type { ComponentChildren } from 'preact';

/** What a colour means; never the only sign of it. */
export type Tone = 'good' | 'warn' | 'bad' | 'accent' | 'quiet';

interface Toned {
  readonly tone?: Tone;
  readonly title?: string;
  readonly children: ComponentChildren;
}

/** A word about a thing. */
export function Badge({ tone = 'quiet', title, children }: Toned) {
  return (
    <span class={`badge ${tone}`} title={title}>
      {children}
    </span>
  );
}

/** A sentence that somebody should read. */
export function Notice({ tone = 'quiet', children }: Toned) {
  return <div class={`notice ${tone}`}>{children}</div>;
}
