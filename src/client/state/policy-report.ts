import type { Logger } from '../../base/logger';
import { locateProblem } from '../../policy/policy-error';
import type { PolicyState } from './policy-state';

/** Says once what changed between two states of a service's policy. */
export function reportPolicyChange(
  logger: Logger,
  service: string,
  former: PolicyState,
  next: PolicyState,
  isObserving: boolean,
): void {
  const { plan, rejected, failure, isOrphaned } = next;
  if (plan !== undefined && plan !== former.plan) {
    logger.info('policy applied', { service, revision: plan.revision, index: plan.index });
    const told = new Set(former.plan?.warnings.map((warning) => warning.message));
    const news = plan.warnings.filter(({ message }) => !told.has(message));
    for (const { message } of news) {
      if (message.startsWith('override.')) logger.warn('an override is not applied', { service, problem: message });
    }
    if (plan.origin === 'chain' && news.length > 0) {
      const fields = news.map((warning) => warning.message).join(' | ');
      logger.warn('config entries hold what cannot be honoured', { service, fields });
    }
  }
  if (rejected !== undefined && rejected !== former.rejected) {
    const problems = rejected.problems.map((problem) => locateProblem(rejected.place, problem)).join(' | ');
    const meanwhile = isObserving ? 'calls go as without one' : 'calls wait, up to their deadlines, for a good one';
    const message =
      plan === undefined
        ? `policy rejected, and none is in force: ${meanwhile}`
        : 'policy rejected, the running one stays';
    logger.error(message, { service, index: rejected.index, problems });
  }
  if (failure !== undefined && former.failure === undefined) {
    const isHolding = plan === undefined && !isObserving;
    const meanwhile = isHolding ? 'none is known: calls wait, up to their deadlines' : 'the last known stays';
    logger.warn(`policy cannot be read, ${meanwhile}`, { service, reason: failure });
  }
  if (isOrphaned && !former.isOrphaned) {
    logger.warn('policy was deleted, the last one stays in force until a tombstone is written', { service });
  }
}
