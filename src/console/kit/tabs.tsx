export interface Tab {
  readonly id: string;
  readonly label: string;
  /** A route: `routeHref(...)`. */
  readonly href: string;
}

/** Parts of a page, each at an address of its own. */
export function Tabs(props: { readonly label: string; readonly tabs: readonly Tab[]; readonly current: string }) {
  return (
    <nav class="tabs" aria-label={props.label}>
      {props.tabs.map(({ id, label, href }) => (
        <a key={id} href={href} aria-current={id === props.current ? 'page' : undefined}>
          {label}
        </a>
      ))}
    </nav>
  );
}
