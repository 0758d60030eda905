import { evidenceNeeded, evidenceOfExcess, evidenceOfNoExcess } from '../../../../base/sequential-test';
import type { SuccessRateCheck } from '../../document';
import type { CheckContext, Judged } from '../judge';
import { DEFAULT_THRESHOLD } from '../settings';
import { describeLack } from './lack-of-calls';
import { formatCount, formatPercent } from './wording';

/** Fails when the canary is shown to fail more than allowed; passes when it is shown not to, or need not be shown. */
export function judgeSuccessRate({ threshold = DEFAULT_THRESHOLD }: SuccessRateCheck, context: CheckContext): Judged {
  const { canary, stable, settings } = context;
  if (canary === undefined || stable === undefined) return { verdict: 'error', message: 'no figures of calls' };
  const lack = describeLack(canary.calls, stable.calls, settings.minimumCalls);
  const limit = stable.failures / Math.max(1, stable.calls) + threshold / 100;
  const [canaryCounts, stableCounts] = [canary, stable].map(({ calls, failures }) => ({ calls, bad: failures }));
  if (canaryCounts === undefined || stableCounts === undefined) throw new Error('two sides went in');
  const evidence = evidenceOfExcess(canaryCounts, stableCounts, threshold / 100);
  const alarmAt = evidenceNeeded(context.falseAlarmRate);
  const figures = {
    canary: canary.failures / Math.max(1, canary.calls),
    stable: stable.failures / Math.max(1, stable.calls),
    limit,
    canaryCalls: canary.calls,
    stableCalls: stable.calls,
    evidence: Math.exp(Math.min(evidence, 700)),
    alarmAt: Math.exp(alarmAt),
  };
  const seen =
    `canary failed ${formatCount(canary.failures)} of ${formatCount(canary.calls)} (${formatPercent(figures.canary)}), ` +
    `stable ${formatCount(stable.failures)} of ${formatCount(stable.calls)} (${formatPercent(figures.stable)}); ` +
    `allowed ${threshold} ${threshold === 1 ? 'point' : 'points'} more`;
  if (lack !== undefined) return { verdict: 'undecided', message: `${lack}; ${seen}`, figures };
  if (evidence >= alarmAt) return { verdict: 'fail', message: seen, figures };
  if (settings.acceptance === 'unrefuted') return { verdict: 'pass', message: seen, figures };
  const proof = evidenceOfNoExcess(canaryCounts, stableCounts, threshold / 100);
  if (proof >= evidenceNeeded(settings.missRate)) return { verdict: 'pass', message: seen, figures };
  return { verdict: 'undecided', message: `too few calls to tell; ${seen}`, figures };
}
