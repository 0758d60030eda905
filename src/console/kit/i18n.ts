import { createRememberedStore, type Store } from './store';

export type Language = 'en' | 'zh';

export const LANGUAGES: readonly { readonly value: Language; readonly label: string }[] = [
  { value: 'en', label: 'English' },
  { value: 'zh', label: '中文' },
];

const browsers = (): Language => (globalThis.navigator?.language?.toLowerCase().startsWith('zh') ? 'zh' : 'en');

/** The browser's language, until the reader chooses another. */
export const language: Store<Language> = createRememberedStore<Language>('language', browsers, ['en', 'zh']);

type Values = Readonly<Record<string, string | number>>;

/**
 * The words of a page in both languages: a key that one of them lacks does not compile. The result gives the text of a
 * key in the language of the moment, with `{name}` replaced by the value of that name.
 */
export function strings<const E extends Readonly<Record<string, string>>>(
  en: E,
  zh: { readonly [K in keyof E]: string },
): (key: keyof E & string, values?: Values) => string {
  return (key, values) => {
    const text: string = (language.get() === 'zh' ? zh : en)[key];
    return values === undefined ? text : text.replace(/\{(\w+)\}/g, (_, name: string) => String(values[name] ?? ''));
  };
}

/** How the language of the moment writes numbers, shares and durations. */
export function formatNumber(value: number, digits = 0): string {
  return new Intl.NumberFormat(language.get(), { maximumFractionDigits: digits }).format(value);
}

/** A share in [0, 1] as per cent. What is not quite none, or not quite all, is not shown as such. */
export function formatShare(share: number): string {
  const percent = share * 100;
  if (percent > 0 && percent < 0.1) return '< 0.1 %';
  if (percent < 100 && percent > 99.9) return '> 99.9 %';
  return `${formatNumber(percent, percent < 10 || percent > 90 ? 1 : 0)} %`;
}

export function formatMilliseconds(ms: number): string {
  if (ms < 1_000) return `${formatNumber(ms, ms < 10 ? 1 : 0)} ms`;
  const seconds = ms / 1_000;
  if (seconds < 120) return `${formatNumber(seconds, seconds < 10 ? 1 : 0)} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 120 ? `${minutes} min` : `${formatNumber(minutes / 60, 1)} h`;
}

export function formatTime(at: string | number): string {
  const date = new Date(at);
  const two = (value: number): string => String(value).padStart(2, '0');
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}
