import { createStore, type Store, useStore } from './store';

/** The part of the address after `#`: `#/services/payments?tab=endpoints`. Nothing secret goes there. */
export interface Route {
  /** Decoded: `['services', 'payments']`. */
  readonly path: readonly string[];
  readonly query: Readonly<Record<string, string>>;
}

function parseRoute(hash: string): Route {
  const [path = '', query = ''] = hash.replace(/^#\/?/, '').split('?', 2);
  return {
    path: path
      .split('/')
      .filter((part) => part !== '')
      .map(decoded),
    query: Object.fromEntries(new URLSearchParams(query)),
  };
}

/** The address of a route, for links: `href={routeHref(['services', name], { tab: 'endpoints' })}`. */
export function routeHref(path: readonly string[], query: Readonly<Record<string, string>> = {}): string {
  const search = new URLSearchParams(query).toString();
  return `#/${path.map(encodeURIComponent).join('/')}${search === '' ? '' : `?${search}`}`;
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

const route: Store<Route> = createStore(parseRoute(globalThis.location?.hash ?? ''));
globalThis.addEventListener?.('hashchange', () => route.set(parseRoute(location.hash)));

export function useRoute(): Route {
  return useStore(route);
}

/** `replace`: without a step in the browser's history, as for what is typed. */
export function navigate(href: string, { replace = false } = {}): void {
  if (!replace) {
    location.hash = href.slice(1);
    return;
  }
  history.replaceState(null, '', href);
  route.set(parseRoute(href));
}
