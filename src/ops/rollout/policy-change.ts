import type { PolicyDocument } from '../../policy/document';
import type { RolloutDocument } from './document';
import { canaryWeight, type Edited, withCanaryAsStable, withoutRoutes, withTesters, withWeight } from './edit-policy';
import type { RolloutAction } from './progress';

/** An action whose doing is a change to the policy. */
export type PolicyAction = Exclude<RolloutAction, { readonly kind: 'notify' }>;

/** The policy with the action done. Doing it again changes nothing. Pure. */
export function applyAction(policy: PolicyDocument, action: PolicyAction, rollout: RolloutDocument): Edited {
  switch (action.kind) {
    case 'setWeight':
      return withWeight(policy, rollout, action.weight);
    case 'setRoute':
      return withTesters(policy, rollout, action.route);
    case 'rollback':
      return withWeight(withoutRoutes(policy, testersOf(rollout)), rollout, 0);
    case 'promote':
      return withCanaryAsStable(withoutRoutes(policy, testersOf(rollout)), rollout);
    case 'finish':
      return { document: withoutRoutes(policy, testersOf(rollout)) };
  }
}

/** Whether the canary gets more calls by it than the policy gives it now. */
export function raisesWeight(policy: PolicyDocument, action: PolicyAction, rollout: RolloutDocument): boolean {
  return action.kind === 'setWeight' && action.weight > canaryWeight(policy, rollout);
}

/** For the policy's history: why this revision was written. */
export function describeAction(action: PolicyAction, rollout: RolloutDocument): string {
  const { canary, stable, steps } = rollout;
  switch (action.kind) {
    case 'setWeight': {
      const isStep = action.step < steps.length;
      return `${isStep ? `step ${action.step + 1} of ${steps.length}` : 'after the last step'}: ${canary} to ${action.weight} %`;
    }
    case 'setRoute':
      return `step ${action.step + 1} of ${steps.length}: route ${action.route.name} to ${canary}`;
    case 'rollback':
      return `rolled back, ${canary} to 0 %: ${action.message}`;
    case 'promote':
      return `promoted: ${stable} is what ${canary} was`;
    case 'finish':
      return `finished: ${canary} stays at 100 %`;
  }
}

/** Names of the routes that the rollout makes and takes away again. */
export function testersOf({ steps }: RolloutDocument): readonly string[] {
  return steps.flatMap((step) => ('setRoute' in step ? [step.setRoute.name] : []));
}
