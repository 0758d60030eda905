import type { RolloutDocument } from '../document';
import { type BoundDeployment, type DeploymentVerb, isPlannedPause, type RolloutProgress } from '../progress';

export const DEPLOYMENT_VERBS: ReadonlySet<unknown> = new Set<DeploymentVerb>(['find', 'promote', 'fail']);

export interface DeploymentQuestion {
  readonly verb: DeploymentVerb;
  /** The name that the document gives. */
  readonly name: string;
  readonly service: string;
  /** Of the rollout, so that looks of two rollouts are told apart. */
  readonly rollout: string;
  /** Undefined before it was found. */
  readonly bound: BoundDeployment | undefined;
}

/** `message`: for people, without an address. */
export type DeploymentAnswer =
  /** Found, promoted or failed. */
  | { readonly kind: 'done'; readonly bound: BoundDeployment; readonly message: string }
  /** Not yet, or it does not answer: ask again. */
  | { readonly kind: 'waiting'; readonly message: string }
  /** It ended without a promotion, so that nothing of the canary is left to be judged. */
  | { readonly kind: 'over'; readonly message: string }
  /** This controller's file has no such name. */
  | { readonly kind: 'unknown'; readonly message: string };

export function deploymentQuestion(progress: RolloutProgress, verb: DeploymentVerb): DeploymentQuestion {
  const { id: rollout, document, deployment: bound } = progress;
  return { verb, name: document.deployment ?? '', service: document.service, rollout, bound };
}

/** Whether the rollout has to find its deployment before it begins. */
export function wantsDeployment({ document, deployment }: RolloutProgress): boolean {
  return document.deployment !== undefined && deployment === undefined;
}

/** Whether the controller has to see what becomes of the deployment while the canary is judged. */
export function watchesDeployment({ deployment, state, pending, step, document }: RolloutProgress): boolean {
  if (deployment === undefined || pending.length > 0 || step >= document.steps.length) return false;
  return state.kind === 'running' || state.kind === 'inconclusive' || isPlannedPause(state);
}

/** With a deployment its promotion makes the canary's instances stable: the canary gives its share back. */
export function returnsShare({ deployment }: RolloutDocument): boolean {
  return deployment !== undefined;
}

const ID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** What stands in a record may have been written by anybody who may write its key, and becomes a part of an address. */
export function isBoundDeployment(value: unknown): value is BoundDeployment {
  const { id, version } = (value ?? {}) as { readonly id?: unknown; readonly version?: unknown };
  return typeof id === 'string' && ID.test(id) && Number.isSafeInteger(version);
}
