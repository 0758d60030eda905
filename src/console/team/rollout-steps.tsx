import { formatNumber } from '../kit/i18n';
import type { RolloutStatus } from './answers';
import { words as t } from './words';

/** The steps of a rollout in order; `at`: the one that it is at. */
export function Steps(props: { readonly steps: RolloutStatus['steps']; readonly status?: RolloutStatus }) {
  const { steps, status } = props;
  const classOf = (at: number): string => {
    if (status === undefined) return '';
    const { step, state } = status;
    if (at < step || state.kind === 'completed') return 'done';
    return at === step ? `now ${state.kind}` : '';
  };
  return (
    <ol class="team-steps" aria-label={t('steps')}>
      {steps.map((each, at) => (
        <li key={at} class={classOf(at)} aria-current={at === status?.step && !status.hasEnded ? 'step' : undefined}>
          {describeStep(each)}
        </li>
      ))}
    </ol>
  );
}

/** Of a step: its one key, and what stands there. Steps that this page does not know are shown as they are written. */
function describeStep(step: RolloutStatus['steps'][number]): string {
  if ('setWeight' in step) return `${step.setWeight} %`;
  if ('analysis' in step) return t('stepAnalysis');
  if ('setRoute' in step) return t('stepRoute', { name: step.setRoute.name });
  if ('gate' in step) return t('stepGate', { name: step.gate });
  if ('approval' in step)
    return [t('stepApproval'), step.approval.note].filter((part) => part !== undefined).join(': ');
  if ('pause' in step) {
    const { durationMs } = step.pause;
    return durationMs === undefined ? t('stepPause') : t('stepPauseFor', { n: formatNumber(durationMs / 1000) });
  }
  return Object.entries(step as object)
    .map(([key, value]) => `${key} ${typeof value === 'string' ? value : JSON.stringify(value)}`)
    .join(' ');
}
