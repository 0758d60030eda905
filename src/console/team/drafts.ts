import { createStore, type Store, useStore } from '../kit/store';
import { datacenter, token } from './api';

/** A text that somebody has begun to change. */
export interface Draft {
  readonly text: string;
  /** What stood there when it was begun. */
  readonly base: Written;
}

/** A text as it stands in Consul; no revision: nothing stands there yet. */
export interface Written {
  readonly text: string;
  readonly revision: string | undefined;
}

/** In memory alone, as the token is: they outlive a look at another page, and a token that ends. */
const drafts: Store<ReadonlyMap<string, Draft>> = createStore<ReadonlyMap<string, Draft>>(new Map());

// Whoever forgets the token leaves the screen to others.
token.subscribe((value) => {
  if (value === '') drafts.set(new Map());
});

globalThis.addEventListener?.('beforeunload', (event) => {
  if (drafts.get().size > 0) event.preventDefault();
});

/** `name`: of what is written, such as `policy payments`. Undefined forgets it. */
export function useDraft(name: string): readonly [Draft | undefined, (draft: Draft | undefined) => void] {
  const all = useStore(drafts);
  const key = JSON.stringify([name, useStore(datacenter)]);
  const set = (draft: Draft | undefined): void => {
    const others = [...drafts.get()].filter(([each]) => each !== key);
    drafts.set(new Map(draft === undefined ? others : [...others, [key, draft]]));
  };
  return [all.get(key), set];
}
