import { defined } from '../../base/defined';
import type { OptionReader } from '../../base/option-reader';
import type { ConsoleAnswer, ConsoleOperation } from '../../ops/console/operation';
import { documentText } from '../../ops/store/policy-text';
import type { PolicyProblem } from '../../policy/plan';
import { parseDelay, parseStatus } from '../drill/parse';
import { parseDuration, parseMethod, parseWhole, percentParser } from '../flags';
import { judgeText } from '../policy-files';
import {
  judgeRollout,
  labelsOfBody,
  messageOf,
  optionalText,
  POLICY_TEXT,
  parsed,
  readBody,
  readLimits,
  readRevision,
  readRolloutText,
  readWeight,
  required,
} from './bodies';
import { answerOf } from './collected';
import { type ConsoleSettings, commandOperation, runAs, serviceOf } from './console-session';

const ACTIONS = ['pause', 'resume', 'approve', 'promote', 'promote-full', 'abort'] as const;

/** Every write is the function of a command: its checks, its check-and-set, its entry in the history. */
export function writeOperations(settings: ConsoleSettings): readonly ConsoleOperation[] {
  return [applyPolicy(settings), ...policyWrites(settings), ...emergencyWrites(settings), ...rolloutWrites(settings)];
}

function applyPolicy(settings: ConsoleSettings): ConsoleOperation {
  const keys = ['text', 'message', 'ifRevision', 'force', 'allowReshuffle'];
  const run: ConsoleOperation['run'] = async (request) => {
    const service = serviceOf(request);
    const { text, ...rest } = readBody(request, keys, (reader) => ({
      text: reader.text('text', POLICY_TEXT, 'a policy, YAML or JSON') ?? '',
      ...readLimits(reader),
    }));
    const { document, problems, warnings } = judgeText(text, service);
    if (document === undefined) return unprocessable(service, { problems, warnings });
    const { applyText } = await import('../policy/apply-files.js');
    const policy = { service, text: documentText(document), again: 'look at what stands there now, then apply again' };
    const written = await runAs(request, settings, (flags, io) => applyText(policy, { ...flags, ...rest }, io));
    return answerOf(written, 'PUT');
  };
  return { method: 'PUT', path: '/services/{service}/policy', run };
}

function policyWrites(settings: ConsoleSettings): readonly ConsoleOperation[] {
  return [
    commandOperation('DELETE', '/services/{service}/policy', settings, async (request, flags, io) => {
      const limits = readBody(request, ['message', 'ifRevision', 'force', 'allowReshuffle'], readLimits);
      const { deletePolicy } = await import('../policy/apply-files.js');
      await deletePolicy(serviceOf(request), { ...flags, ...limits }, io);
    }),
    commandOperation('PUT', '/services/{service}/rollback', settings, async (request, flags, io) => {
      const { revision, ...rest } = readBody(request, ['revision', 'message', 'force'], (reader) => {
        return { ...readRevision(reader), message: messageOf(reader), force: reader.flag('force') };
      });
      const { rollBack } = await import('../policy/roll-back.js');
      await rollBack(serviceOf(request), revision, { ...flags, ...rest }, io);
    }),
    commandOperation('PUT', '/services/{service}/weight', settings, async (request, flags, io) => {
      const keys = ['subset', 'percent', 'route', 'message', 'ifRevision', 'force', 'allowReshuffle'];
      const { weight, limits } = readBody(request, keys, (reader) => {
        return { weight: readWeight(reader), limits: readLimits(reader) };
      });
      const { subset, percent, route } = weight;
      const { changeWeight } = await import('../weight/change-weight.js');
      await changeWeight(serviceOf(request), subset, percent, { ...flags, ...limits, ...defined({ route }) }, io);
    }),
  ];
}

function emergencyWrites(settings: ConsoleSettings): readonly ConsoleOperation[] {
  return [
    commandOperation('PUT', '/services/{service}/override', settings, async (request, flags, io) => {
      const keys = ['to', 'datacenter', 'peer', 'ttl', 'message', 'force'];
      const { setOverrides } = await import('../override/overrides.js');
      const { to, datacenter, peer, ttl, ...rest } = readBody(request, keys, (reader) => ({
        to: optionalText(reader, 'to'),
        datacenter: optionalText(reader, 'datacenter'),
        peer: optionalText(reader, 'peer'),
        ttl: required(reader, 'ttl', parseDuration, 0),
        message: messageOf(reader),
        force: reader.flag('force'),
      }));
      const where = defined({ to, datacenter, peer });
      await setOverrides([serviceOf(request)], { ...flags, ...rest, ...where, ttl }, io);
    }),
    commandOperation('DELETE', '/services/{service}/override', settings, async (request, flags, io) => {
      const message = readBody(request, ['message'], messageOf);
      await (await import('../override/overrides.js')).clearOverrides([serviceOf(request)], { ...flags, message }, io);
    }),
    commandOperation('PUT', '/services/{service}/drill', settings, async (request, flags, io) => {
      const keys = [
        ...['name', 'labels', 'method', 'in', 'abort', 'delay', 'percent', 'for'],
        ...['stopAbove', 'minimumCalls', 'message', 'force'],
      ];
      const drill = readBody(request, keys, (reader) => ({
        name: optionalText(reader, 'name') ?? 'drill',
        label: labelsOfBody(reader),
        percent: required(reader, 'percent', percentParser(2, ', at most two decimals'), 0),
        for: required(reader, 'for', parseDuration, 0),
        message: messageOf(reader),
        force: reader.flag('force'),
        ...defined({
          method: parsed(reader, 'method', parseMethod),
          in: optionalText(reader, 'in'),
          abort: parsed(reader, 'abort', parseStatus),
          delay: parsed(reader, 'delay', parseDelay),
          stopAbove: parsed(reader, 'stopAbove', percentParser(2, '')),
          minimumCalls: parsed(reader, 'minimumCalls', parseWhole),
        }),
      }));
      await (await import('../drill/drills.js')).startDrill(serviceOf(request), { ...flags, ...drill }, io);
    }),
    commandOperation('DELETE', '/services/{service}/drill', settings, async (request, flags, io) => {
      const { name, message } = readBody(request, ['name', 'message'], (reader) => {
        return { name: optionalText(reader, 'name'), message: messageOf(reader) };
      });
      await (await import('../drill/drills.js')).stopDrill(serviceOf(request), name, { ...flags, message }, io);
    }),
  ];
}

function rolloutWrites(settings: ConsoleSettings): readonly ConsoleOperation[] {
  return [
    startRollout(settings),
    commandOperation('PUT', '/services/{service}/rollout', settings, async (request, flags, io) => {
      const { action, message } = readBody(request, ['action', 'message'], (reader) => ({
        action: readAction(reader),
        message: reader.optional('message', () => messageOf(reader)),
      }));
      const { controlFromFlags } = await import('../rollout/control-rollout.js');
      const isFull = action === 'promote-full';
      const named = { name: () => (isFull ? 'promote' : action) };
      await controlFromFlags(serviceOf(request), { ...flags, full: isFull, ...defined({ message }) }, io, named);
    }),
  ];
}

function startRollout(settings: ConsoleSettings): ConsoleOperation {
  const run: ConsoleOperation['run'] = async (request) => {
    const service = serviceOf(request);
    const { text, ...rest } = readBody(request, ['text', 'message', 'force'], (reader) => ({
      ...readRolloutText(reader),
      message: messageOf(reader),
      force: reader.flag('force'),
    }));
    const { document, problems } = await judgeRollout(text, service);
    if (document === undefined) return unprocessable(service, { problems });
    const { startRollout: start } = await import('../rollout/start-rollout.js');
    return answerOf(await runAs(request, settings, (flags, io) => start(document, { ...flags, ...rest }, io)), 'PUT');
  };
  return { method: 'PUT', path: '/services/{service}/rollout/start', run };
}

function unprocessable(
  service: string,
  result: { readonly problems: readonly PolicyProblem[]; readonly warnings?: readonly PolicyProblem[] },
): ConsoleAnswer {
  const message = `${service}: refused, ${result.problems.length} problems; nothing was written`;
  return { status: 422, body: { result, notes: [], code: 1, error: { message } } };
}

function readAction(reader: OptionReader): (typeof ACTIONS)[number] {
  if (reader.value('action') === undefined) reader.problem('action', 'missing', ACTIONS.join(', '));
  return reader.oneOf('action', ACTIONS, 'pause');
}
