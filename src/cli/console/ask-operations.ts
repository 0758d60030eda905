import { defined } from '../../base/defined';
import { type AskedCall, callerTimeline } from '../../ops/console/caller-timeline';
import type { ConsoleOperation, ConsoleRequest } from '../../ops/console/operation';
import { documentText } from '../../ops/store/policy-text';
import { CASE_METHOD } from '../../policy/routing/policy-case';
import { answeredOf, nameOf, readAll, withStore } from '../consul/store-session';
import { MAX_LOAD_FACTOR, parseMethod } from '../flags';
import { judgeText } from '../policy-files';
import {
  judgeRollout,
  labelsOfBody,
  optionalText,
  POLICY_TEXT,
  parsed,
  readBody,
  readRevision,
  readRolloutText,
  readWeight,
} from './bodies';
import { answerOf } from './collected';
import { type ConsoleSettings, commandOperation, runAs, serviceOf } from './console-session';

/** Changes that a call is followed through. */
const FOLLOWED = 30;
/** Plans are never refused for their message: nothing is written. */
const DRY = { dryRun: true, maxLoadFactor: MAX_LOAD_FACTOR } as const;

/** Questions with a body: they change nothing. */
export function askOperations(settings: ConsoleSettings): readonly ConsoleOperation[] {
  return [
    checkPolicy(settings),
    checkRollout(settings),
    commandOperation('POST', '/services/{service}/weight/check', settings, async (request, flags, io) => {
      const { subset, percent, route } = readBody(request, ['subset', 'percent', 'route'], readWeight);
      const { changeWeight } = await import('../weight/change-weight.js');
      await changeWeight(serviceOf(request), subset, percent, { ...flags, ...DRY, ...defined({ route }) }, io);
    }),
    commandOperation('POST', '/services/{service}/rollback/check', settings, async (request, flags, io) => {
      const { revision } = readBody(request, ['revision'], readRevision);
      const { rollBack } = await import('../policy/roll-back.js');
      await rollBack(serviceOf(request), revision, { ...flags, dryRun: true }, io);
    }),
    commandOperation('POST', '/services/{service}/explain', settings, async (request, flags, io) => {
      const { labels: label, ...call } = readCall(request);
      const { explainCall } = await import('../explain/explain-call.js');
      await explainCall(serviceOf(request), { ...flags, ...call, label }, io);
    }),
    commandOperation('POST', '/services/{service}/explain/history', settings, async (request, flags, io) => {
      const call = readCall(request);
      await withStore(flags, io, async (session) => {
        const readings = answeredOf(await readAll(session, serviceOf(request)), io);
        const now = Date.now();
        io.json(
          readings.map((stored) => ({
            datacenter: nameOf(stored.datacenter),
            steps: callerTimeline(stored, call, FOLLOWED, now),
          })),
        );
      });
    }),
  ];
}

/** Everything that is wrong with a text, and, where nothing is, what it would change. */
function checkPolicy(settings: ConsoleSettings): ConsoleOperation {
  const run: ConsoleOperation['run'] = async (request) => {
    const service = serviceOf(request);
    const text = readBody(request, ['text'], (reader) => reader.text('text', POLICY_TEXT, 'a policy, YAML or JSON'));
    const { document, problems, warnings } = judgeText(text ?? '', service);
    if (document === undefined) {
      const result = { isValid: false, problems, warnings, changes: [] };
      return { status: 200, body: { result, notes: [], code: 1 } };
    }
    const { applyText } = await import('../policy/apply-files.js');
    const policy = { service, text: documentText(document), again: 'look again' };
    const planned = await runAs(request, settings, (flags, io) => applyText(policy, { ...flags, ...DRY }, io));
    const result = { isValid: true, problems: [], warnings, changes: planned.result ?? [] };
    return answerOf({ ...planned, result }, 'POST');
  };
  return { method: 'POST', path: '/services/{service}/policy/check', run };
}

/** Everything that is wrong with a rollout, and, where nothing is, what keeps it from being started. */
function checkRollout(settings: ConsoleSettings): ConsoleOperation {
  const run: ConsoleOperation['run'] = async (request) => {
    const { text } = readBody(request, ['text'], readRolloutText);
    const { document, problems } = await judgeRollout(text, serviceOf(request));
    const isValid = document !== undefined;
    const blank = { isValid, problems, refusal: null, missing: null };
    if (!isValid) return { status: 200, body: { result: blank, notes: [], code: 1 } };
    const { planRollout } = await import('../rollout/start-rollout.js');
    const planned = await runAs(request, settings, (flags, io) => planRollout(document, flags, io));
    return answerOf({ ...planned, result: { ...blank, ...(planned.result ?? {}) } }, 'POST');
  };
  return { method: 'POST', path: '/services/{service}/rollout/check', run };
}

function readCall(request: ConsoleRequest): AskedCall {
  return readBody(request, ['method', 'labels', 'stickyKey', 'caller'], (reader) => {
    const method = parsed(reader, 'method', parseMethod) ?? CASE_METHOD;
    const [stickyKey, caller] = [optionalText(reader, 'stickyKey'), optionalText(reader, 'caller')];
    return { method, labels: labelsOfBody(reader), ...defined({ stickyKey, caller }) };
  });
}
