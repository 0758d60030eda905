import { silentLogger } from '../../base/logger';
import { type Membership, membershipOf } from '../../policy/membership/membership';
import type { Snapshot } from '../../policy/membership/snapshot';
import { locateProblem } from '../../policy/policy-error';
import type { PolicyReading } from '../../policy/policy-reading';
import type { PolicySource } from '../state/policy-sources/source';
import { ServiceState, type ServiceStateOptions } from '../state/service-state';

/** A candidate with the instances of now. */
export interface TrialSnapshot {
  readonly plan: Snapshot['plan'];
  readonly membership: Membership;
}

/**
 * The state that a service would have under a policy on trial: it has what its filters, lists and other services ask for,
 * as a policy in force would. It shares the watches of the service, remembers nothing and logs nothing.
 */
export class TrialState extends ServiceState {
  /** Undefined: it is refused, or waits. */
  trial: TrialSnapshot | undefined = undefined;

  constructor(options: Omit<ServiceStateOptions, 'policies' | 'store'>, document: object, candidate: string) {
    const { rules } = options;
    const reading = { kind: 'present', content: document, format: 'object', origin: 'kv', candidate } as const;
    super({
      ...options,
      policies: fixedSource(reading),
      store: undefined,
      logger: silentLogger,
      rules: {
        compile: rules.compile,
        withoutPolicy: rules.withoutPolicy,
        requirePolicy: false,
        isObserving: false,
      },
    });
  }

  begin(): void {
    this.open();
  }

  end(): void {
    this.shut();
    this.trial = undefined;
  }

  /** Why it is not valid for this client; undefined: it is. */
  get refusal(): string | undefined {
    const [problem] = this.policyState.rejected?.problems ?? [];
    return problem && locateProblem(undefined, problem);
  }

  protected override takeOver({ plan, instances }: Snapshot): void {
    this.trial = { plan, membership: membershipOf(plan, instances) };
  }

  protected override policyRead(): void {}
}

function fixedSource(reading: PolicyReading): PolicySource {
  return {
    origin: 'kv',
    watch(_service, listener) {
      let isOpen = true;
      queueMicrotask(() => {
        if (isOpen) listener(reading);
      });
      return {
        close() {
          isOpen = false;
        },
      };
    },
  };
}
