import {
  CANDIDATE_STATES,
  type CallCounts,
  type CandidateReport,
  decodeCallers,
  type FlowEnd,
  type GradualReport,
  type GrownRegister,
  MAX_FLOW_NAME,
  MAX_FLOWS,
  MAX_SKETCHES,
  type ReportedFlow,
} from '../../base/candidate-report';
import { MAX_RANK, REGISTERS } from '../../base/distinct-count';
import { ownValue } from '../../policy/plain-data';
import { MeasureError, readCount, refuse } from '../rollout/analysis/subset-metrics';

/** A report, with its registers read. */
export interface ReadCandidateReport extends Omit<CandidateReport, 'trial'> {
  readonly trial: { readonly flows: readonly ReportedFlow[]; readonly grown: readonly GrownRegister[] } | undefined;
}

/** Upper bound of every count in a report. */
const MOST = 1e12;
const MAX_REASON = 300;

/** What a client sent, or the path of the first thing that does not fit. Never throws. */
export function readCandidateReport(text: string): ReadCandidateReport | { readonly problem: string } {
  try {
    const raw: unknown = JSON.parse(text);
    const [format, state, place, reason] = ['format', 'state', 'place', 'reason'].map((key) => ownValue(raw, key));
    if (format !== 1) refuse('format', format, '1');
    const known = CANDIDATE_STATES.find((name) => name === state);
    if (known === undefined) return refuse('state', state, CANDIDATE_STATES.join(', '));
    if (!(typeof place === 'number' && place >= 0 && place < 1)) return refuse('place', place, '0 to 1');
    const [trial, gradual] = [ownValue(raw, 'trial'), ownValue(raw, 'gradual')];
    return {
      format: 1,
      client: readName(raw, 'client', 64),
      candidate: readName(raw, 'candidate', 64),
      number: readCount(ownValue(raw, 'number'), 'number', MOST),
      place,
      revision: readName(raw, 'revision', 64),
      state: known,
      ...(reason === undefined ? {} : { reason: readName(raw, 'reason', MAX_REASON) }),
      trial: trial === undefined ? undefined : readTrial(trial),
      ...(gradual === undefined ? {} : { gradual: readGradual(gradual) }),
    };
  } catch (error) {
    return { problem: error instanceof MeasureError ? error.message : 'body: not JSON (expected: a report)' };
  }
}

function readTrial(raw: unknown): ReadCandidateReport['trial'] {
  const [flows, callers] = [ownValue(raw, 'flows'), ownValue(raw, 'callers')];
  if (!Array.isArray(flows) || flows.length > MAX_FLOWS) return refuse('trial.flows', flows, `at most ${MAX_FLOWS}`);
  const grown = typeof callers === 'string' ? decodeCallers(callers) : undefined;
  const fits = grown?.every(
    ({ sketch, register, rank }) => sketch < MAX_SKETCHES && register < REGISTERS && rank <= MAX_RANK,
  );
  if (grown === undefined || fits !== true) return refuse('trial.callers', typeof callers, 'registers in base64');
  return { flows: flows.map((flow, at) => readFlow(flow, `trial.flows[${at}]`)), grown };
}

function readFlow(raw: unknown, path: string): ReportedFlow {
  const count = (key: string): number => readCount(ownValue(raw, key), `${path}.${key}`, MOST);
  const [isMoved, sketch] = [ownValue(raw, 'isMoved'), ownValue(raw, 'sketch')];
  const [calls, nobodyNow, nobody] = [count('calls'), count('nobodyNow'), count('nobody')];
  if (nobodyNow > calls || nobody > calls) refuse(path, Math.max(nobodyNow, nobody), 'at most calls');
  return {
    from: readEnd(ownValue(raw, 'from'), `${path}.from`),
    to: readEnd(ownValue(raw, 'to'), `${path}.to`),
    isMoved: typeof isMoved === 'boolean' ? isMoved : refuse(`${path}.isMoved`, isMoved, 'true or false'),
    ...(sketch === undefined ? {} : { sketch: readCount(sketch, `${path}.sketch`, MAX_SKETCHES - 1) }),
    ...{ calls, nobodyNow, nobody },
  };
}

function readEnd(raw: unknown, path: string): FlowEnd {
  return {
    route: readName(raw, 'route', MAX_FLOW_NAME, path),
    destination: readName(raw, 'destination', MAX_FLOW_NAME, path),
  };
}

function readGradual(raw: unknown): GradualReport {
  const isInForce = ownValue(raw, 'isInForce');
  const under = ownValue(raw, 'under');
  const counts = (side: string): CallCounts => {
    const path = `gradual.under.${side}`;
    const of = ownValue(under, side);
    const calls = readCount(ownValue(of, 'calls'), `${path}.calls`, MOST);
    const failures = readCount(ownValue(of, 'failures'), `${path}.failures`, MOST);
    return failures <= calls ? { calls, failures } : refuse(`${path}.failures`, failures, 'at most calls');
  };
  return {
    isInForce: typeof isInForce === 'boolean' ? isInForce : refuse('gradual.isInForce', isInForce, 'true or false'),
    under: { candidate: counts('candidate'), former: counts('former') },
  };
}

function readName(holder: unknown, key: string, longest: number, path = ''): string {
  const value = ownValue(holder, key);
  const fits = typeof value === 'string' && value !== '' && value.length <= longest;
  return fits ? value : refuse(path === '' ? key : `${path}.${key}`, value, `1 to ${longest} characters`);
}
