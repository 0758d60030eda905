import { formatShare } from './i18n';

export interface SharePart {
  readonly label: string;
  /** Any unit: what counts is its part of the sum. */
  readonly amount: number;
  /** Which colour: 0 to 5, in the order of the policy's subsets; the rest begin anew. */
  readonly part: number | 'bad' | 'none';
}

/** A bar divided by amounts. Its words are for screen readers; show a legend beside it. */
export function ShareBar({ label, parts, isTall = false }: ShareBarProps) {
  const total = sumOf(parts);
  const words = parts.map((part) => `${part.label} ${formatShare(total === 0 ? 0 : part.amount / total)}`).join(', ');
  return (
    <div class={`shares ${isTall ? 'tall' : ''}`} role="img" aria-label={`${label}: ${words}`}>
      {parts.map(({ label: name, amount, part }) => (
        <span
          key={name}
          class={partClass(part)}
          title={`${name} ${formatShare(total === 0 ? 0 : amount / total)}`}
          style={{ flexGrow: String(total === 0 ? 0 : amount / total), flexBasis: '0' }}
        />
      ))}
    </div>
  );
}

export interface ShareBarProps {
  readonly label: string;
  readonly parts: readonly SharePart[];
  readonly isTall?: boolean;
}

export function ShareLegend({ parts }: { readonly parts: readonly SharePart[] }) {
  const total = sumOf(parts);
  return (
    <ul class="legend">
      {parts.map(({ label, amount, part }) => (
        <li key={label}>
          <span class={`swatch ${partClass(part)}`} />
          {label} <strong>{total === 0 ? '–' : formatShare(amount / total)}</strong>
        </li>
      ))}
    </ul>
  );
}

export function partClass(part: SharePart['part']): string {
  return `part-${typeof part === 'number' ? part % 6 : part}`;
}

function sumOf(parts: readonly SharePart[]): number {
  return parts.reduce((sum, { amount }) => sum + amount, 0);
}
