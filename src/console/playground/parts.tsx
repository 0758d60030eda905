import { useEffect, useState } from 'preact/hooks';
import type { PlaygroundCall } from './engine/answer';
import type { Outline } from './engine/outline';
import { type PlaygroundState, within } from './link';

/** What every card of the page gets. */
export interface PartProps {
  readonly state: PlaygroundState;
  readonly onChange: (part: Partial<PlaygroundState>) => void;
  /** The last text that is a sound policy. */
  readonly text: string;
  /** False: what stands in the editor now is none. */
  readonly isSound: boolean;
  readonly call: PlaygroundCall;
  /** Of that text; undefined until the first answer. */
  readonly outline: Outline | undefined;
}

export interface NumberFieldProps {
  readonly label: string;
  readonly value: number;
  /** Of `BOUNDS`. */
  readonly name: string;
  readonly step?: number;
  readonly onNumber: (value: number) => void;
}

/** A number that is kept within its bounds; half-typed ones wait until they are some. */
export function NumberField({ label, value, name, step = 1, onNumber }: NumberFieldProps) {
  const [typed, setTyped] = useState(String(value));
  useEffect(() => setTyped(String(value)), [value]);
  return (
    <label class="field play-number">
      <span>{label}</span>
      <input
        class="input"
        type="number"
        inputMode="decimal"
        value={typed}
        step={step}
        onInput={({ currentTarget }) => {
          setTyped(currentTarget.value);
          const number = Number(currentTarget.value);
          if (currentTarget.value !== '' && within(name, number) === number) onNumber(number);
        }}
        onBlur={() => setTyped(String(value))}
      />
    </label>
  );
}

/** Colour of a destination: subsets in the order of the policy, what is elsewhere after them. */
export function partOf(destinations: readonly string[], name: string): number {
  return Math.max(0, destinations.indexOf(name));
}
