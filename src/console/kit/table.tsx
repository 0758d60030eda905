import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';
import { kitWords as t } from './words';

export interface Column<Row> {
  readonly key: string;
  readonly label: string;
  readonly render: (row: Row) => ComponentChildren;
  /** Aligned as numbers are. */
  readonly isNumber?: boolean;
  /** Makes the column one to sort by. */
  readonly sortBy?: (row: Row) => number | string;
}

export interface TableProps<Row> {
  /** What the table is about, for screen readers. */
  readonly label: string;
  readonly columns: readonly Column<Row>[];
  readonly rows: readonly Row[];
  readonly keyOf: (row: Row) => string;
  /** Rows shown at first, and added by each "more". Default 50. */
  readonly step?: number;
  readonly isLit?: (row: Row) => boolean;
  /** In place of a table without rows. */
  readonly empty?: string;
}

/** Rows in columns; scrolls by itself where the page is narrow. */
export function Table<Row>(props: TableProps<Row>) {
  const { label, columns, rows, keyOf, step = 50, isLit, empty = t('none') } = props;
  const [limit, setLimit] = useState(step);
  const [order, setOrder] = useState<{ readonly key: string; readonly isDown: boolean }>();
  if (rows.length === 0) return <p class="empty">{empty}</p>;
  const sortBy = columns.find(({ key }) => key === order?.key)?.sortBy;
  const sorted = sortBy === undefined ? rows : [...rows].sort((a, b) => compare(sortBy(a), sortBy(b)));
  const shown = (order?.isDown === true ? sorted.toReversed() : sorted).slice(0, limit);
  return (
    <>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard */}
      <section class="table-box" aria-label={label} tabIndex={0}>
        <table>
          <thead>
            <tr>
              {columns.map(({ key, label: name, isNumber = false, sortBy: by }) => (
                <th
                  key={key}
                  scope="col"
                  class={isNumber ? 'number' : ''}
                  aria-sort={order?.key !== key ? undefined : order.isDown ? 'descending' : 'ascending'}
                >
                  {by === undefined ? (
                    name
                  ) : (
                    <button
                      type="button"
                      onClick={() => setOrder({ key, isDown: order?.key === key && !order.isDown })}
                    >
                      {name}
                    </button>
                  )}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {shown.map((row) => (
              <tr key={keyOf(row)} class={isLit?.(row) === true ? 'lit' : ''}>
                {columns.map(({ key, isNumber = false, render }) => (
                  <td key={key} class={isNumber ? 'number' : ''}>
                    {render(row)}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </section>
      {rows.length > shown.length && (
        <button type="button" class="button plain" onClick={() => setLimit(limit + step)}>
          {t('more', { n: Math.min(step, rows.length - shown.length) })}
        </button>
      )}
    </>
  );
}

function compare(a: number | string, b: number | string): number {
  return typeof a === 'number' && typeof b === 'number' ? a - b : String(a).localeCompare(String(b));
}
