import type { Candidate } from '../../base/candidate';
import { systemRandom } from '../../base/random';
import type { Runtime } from '../../base/runtime';
import type { DecisionEvents } from '../grpc/decision-events';
import { createReportSender, type ReportSender } from '../rollout-metrics/report-sender';
import type { RolloutPlace } from '../rollout-metrics/rollout-metrics';
import type { Service } from '../state/service';
import type { ServiceStateOptions } from '../state/service-state';
import type { CandidateCount } from './candidate-count';
import type { Candidates } from './candidates';
import { GradualCount } from './gradual-count';
import { Participant } from './participant';
import { TrialCount } from './trial-count';
import { TrialState } from './trial-state';

export interface ParticipantsDeps extends Runtime {
  readonly clientId: string;
  readonly candidates: Candidates;
  readonly decisions: DecisionEvents;
}

/** What a service's state is made of. */
export type TrialOptions = Omit<ServiceStateOptions, 'policies' | 'store'>;

/** The part that the services of a Graylane client take in candidates: only in clients that were told to report. */
export class Participants {
  readonly #deps: ParticipantsDeps;
  readonly #sender: ReportSender = createReportSender();

  constructor(deps: ParticipantsDeps) {
    this.#deps = deps;
  }

  /** The service is in use from now on. Returns what is to be called when it is no more; idempotent. */
  use(place: RolloutPlace, service: Service, options: TrialOptions): () => void {
    const { candidates, decisions } = this.#deps;
    const participant = new Participant(service, {
      ...this.#deps,
      sender: this.#sender,
      count: (candidate) =>
        candidate.kind === 'gradual'
          ? new GradualCount(service, candidate, decisions)
          : countTrial(candidate, service, options, decisions),
    });
    const end = candidates.watch(place, (held) => participant.take(held));
    return () => {
      end();
      participant.close();
    };
  }

  close(): void {
    this.#sender.close();
  }
}

/** A process whose policy comes from code or a file would not follow what is applied. */
function isApart({ policyState: { plan } }: Service): boolean {
  return plan?.origin === 'inline' || plan?.origin === 'file';
}

function countTrial(
  candidate: Candidate,
  service: Service,
  options: TrialOptions,
  decisions: DecisionEvents,
): CandidateCount {
  const state = new TrialState(options, candidate.document, candidate.id);
  const count = new TrialCount(
    candidate,
    {
      get snapshot() {
        return service.snapshot;
      },
      get trial() {
        return isApart(service) ? undefined : state.trial;
      },
      why() {
        if (isApart(service)) return { state: 'apart' };
        const { refusal } = state;
        return refusal === undefined
          ? { state: 'waiting', reason: state.pendingReason() }
          : { state: 'refused', reason: refusal };
      },
    },
    (observer) => decisions.observe(observer),
    { clock: options.clock, random: systemRandom },
  );
  state.begin();
  return {
    report: () => count.report(),
    reported: () => count.reported(),
    get isUnfinished() {
      return count.isUnfinished;
    },
    stop() {
      count.stop();
      state.end();
    },
  };
}
