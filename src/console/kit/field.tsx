import type { ComponentChildren } from 'preact';
import { useId } from 'preact/hooks';

interface FieldProps {
  /** Always there for screen readers; `isBare` hides it from view. */
  readonly label: string;
  readonly isBare?: boolean;
  readonly hint?: string | undefined;
  /** What is wrong with the value. */
  readonly error?: string | undefined;
}

export interface TextFieldProps extends FieldProps {
  readonly value: string;
  readonly onInput: (value: string) => void;
  readonly placeholder?: string;
  readonly type?: 'text' | 'password' | 'search' | 'number';
  /** Several lines. */
  readonly rows?: number;
  /** Values that are offered while typing. */
  readonly suggestions?: readonly string[];
  readonly isMono?: boolean;
}

export function TextField(props: TextFieldProps) {
  const id = useId();
  const { value, onInput, placeholder, type = 'text', rows, suggestions, isMono = false, error } = props;
  const common = {
    id,
    value,
    placeholder,
    class: `input ${isMono ? 'mono' : ''}`,
    autocomplete: 'off',
    spellcheck: false,
    ...(props.isBare === true ? { 'aria-label': props.label } : {}),
    'aria-describedby': describedBy(id, props),
    'aria-invalid': error !== undefined,
    onInput: (event: { currentTarget: { value: string } }) => onInput(event.currentTarget.value),
  };
  return (
    <FieldBox id={id} {...props}>
      {rows === undefined ? (
        <input {...common} {...inputOf(type, suggestions && `${id}-list`)} />
      ) : (
        <textarea {...common} rows={rows} />
      )}
      {suggestions !== undefined && (
        <datalist id={`${id}-list`}>
          {suggestions.map((each) => (
            <option key={each} value={each} />
          ))}
        </datalist>
      )}
    </FieldBox>
  );
}

function inputOf(type: string, list: string | undefined): object {
  return list === undefined ? { type } : { type, list };
}

export interface SelectProps extends FieldProps {
  readonly value: string;
  readonly options: readonly { readonly value: string; readonly label: string }[];
  readonly onChange: (value: string) => void;
}

export function Select(props: SelectProps) {
  const id = useId();
  return (
    <FieldBox id={id} {...props}>
      <select
        id={id}
        class="input"
        value={props.value}
        aria-label={props.isBare === true ? props.label : undefined}
        aria-describedby={describedBy(id, props)}
        onChange={(event) => props.onChange(event.currentTarget.value)}
      >
        {props.options.map(({ value, label }) => (
          <option key={value} value={value}>
            {label}
          </option>
        ))}
      </select>
    </FieldBox>
  );
}

function FieldBox(props: FieldProps & { readonly id: string; readonly children: ComponentChildren }) {
  if (props.isBare === true) return <>{props.children}</>;
  return (
    <div class="field">
      <label for={props.id}>{props.label}</label>
      {props.children}
      {props.hint !== undefined && (
        <span class="hint" id={`${props.id}-hint`}>
          {props.hint}
        </span>
      )}
      {props.error !== undefined && (
        <span class="error" id={`${props.id}-error`} role="alert">
          {props.error}
        </span>
      )}
    </div>
  );
}

function describedBy(id: string, { hint, error }: FieldProps): string | undefined {
  const ids = [hint !== undefined && `${id}-hint`, error !== undefined && `${id}-error`].filter(Boolean);
  return ids.length === 0 ? undefined : ids.join(' ');
}
