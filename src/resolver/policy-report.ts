import type { Logger } from '../internal/logger';
import type { PolicyState } from './policy-state';

/** Says once what changed between two states of a service's policy. */
export function reportPolicyChange(logger: Logger, service: string, former: PolicyState, next: PolicyState): void {
  const { plan, rejected, failure, isOrphaned } = next;
  if (plan !== undefined && plan !== former.plan) {
    logger.info('policy applied', { service, revision: plan.revision, index: plan.index });
    const told = new Set(former.plan?.warnings.map((warning) => warning.message));
    const news = plan.warnings.filter(({ message }) => !told.has(message));
    if (plan.origin === 'chain' && news.length > 0) {
      const fields = news.map((warning) => warning.message).join(' | ');
      logger.warn('config entries hold what cannot be honoured', { service, fields });
    }
  }
  if (rejected !== undefined && rejected !== former.rejected) {
    const problems = rejected.problems.map((problem) => problem.message).join(' | ');
    logger.error('policy rejected, the running one stays', { service, index: rejected.index, problems });
  }
  if (failure !== undefined && former.failure === undefined) {
    logger.warn('policy cannot be read, the last known stays', { service, reason: failure });
  }
  if (isOrphaned && !former.isOrphaned) {
    logger.warn('policy was deleted, the last one stays in force until a tombstone is written', { service });
  }
}
