/** What the form asks for. Texts as they are typed: the check of the document says what is wrong with them. */
export interface RolloutForm {
  readonly canary: string;
  readonly stable: string;
  /** Percent, with commas. */
  readonly weights: string;
  /** Minutes at each weight; empty: none. */
  readonly minutes: string;
  /** Who compares canary and stable; empty: nobody. */
  readonly provider: string;
}

/** What stands in it at first. */
export function formOf(subsets: readonly string[]): RolloutForm {
  const canary = subsets.find((name) => name === 'canary') ?? subsets[1] ?? 'canary';
  const stable =
    subsets.find((name) => name === 'stable' && name !== canary) ?? subsets.find((name) => name !== canary);
  return { canary, stable: stable ?? 'stable', weights: '5, 25, 50, 100', minutes: '10', provider: 'clients' };
}

/** As `rollout start --weights` makes one. */
export function rolloutText(service: string, { canary, stable, weights, minutes, provider }: RolloutForm): string {
  const isJudged = provider.trim() !== '';
  const pause = minutes.trim() === '' ? [] : [`  - pause: { durationMs: ${Number(minutes) * 60_000} }`];
  const steps = weights
    .split(/[\s,]+/)
    .filter((weight) => weight !== '')
    .flatMap((weight) => [`  - setWeight: ${plain(weight)}`, ...(isJudged ? ['  - analysis: {}'] : []), ...pause]);
  const analysis = isJudged ? `{ provider: ${plain(provider.trim())} }` : '{ background: false }';
  const names = [`service: ${plain(service)}`, `canary: ${plain(canary)}`, `stable: ${plain(stable)}`];
  return `${['schema: 1', ...names, 'steps:', ...steps, `analysis: ${analysis}`].join('\n')}\n`;
}

/** What YAML does not take for something else. */
function plain(text: string): string {
  const isWord = /^[a-z][\w-]*$/i.test(text) && !/^(?:true|false|null|yes|no|on|off|y|n)$/i.test(text);
  return isWord || /^\d+(?:\.\d+)?$/.test(text) ? text : JSON.stringify(text);
}
