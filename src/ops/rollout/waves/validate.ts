import { parseDocumentText } from '../../../policy/parse-text';
import { deepFreeze } from '../../../policy/plain-data';
import type { PolicyProblem } from '../../../policy/plan';
import { type DocumentPath, note, type Positions, ProblemList } from '../../../policy/problems';
import { copyDocument, isOfLaterFormat } from '../../../policy/validation/copy-document';
import { SYNONYMS } from '../rollout-schema';
import { createRolloutStructureCheck } from '../structure-check';
import { validateRollout } from '../validate';
import { nameOfMember, rolloutOf, type WavesDocument } from './document';
import { WAVE_SYNONYMS, wavesSchema } from './waves-schema';

const checkStructure = createRolloutStructureCheck(wavesSchema, { ...SYNONYMS, ...WAVE_SYNONYMS });

interface JudgedWaves {
  /** All that is wrong. Empty: the document may be started. */
  readonly problems: readonly PolicyProblem[];
  /** A frozen copy that shares nothing with what was given; undefined when there are problems. */
  readonly document: WavesDocument | undefined;
}

/** In all waves together: the state of each stands in one record. */
const MAX_MEMBERS = 50;

/** Reads waves from text. Never throws; problems carry line and column. */
export function parseWaves(text: string | Uint8Array, format: 'json' | 'yaml'): JudgedWaves {
  const parsed = parseDocumentText(text, format, 'waves');
  if (parsed.value === undefined) return { problems: parsed.problems, document: undefined };
  const judged = validateWaves(parsed.value, parsed.positions);
  const problems = [...parsed.problems, ...judged.problems];
  return { problems, document: problems.length === 0 ? judged.document : undefined };
}

/** Finds every problem of a document of waves, those of its members' rollouts included. Never throws. */
export function validateWaves(value: unknown, positions?: Positions): JudgedWaves {
  const list = new ProblemList(positions, 'waves');
  const copy = copyDocument(value, 'waves', list);
  if (copy !== undefined && !isOfLaterFormat(copy, list)) checkStructure(copy, list);
  if (list.problems.length > 0) return { problems: list.problems, document: undefined };
  const document = copy as unknown as WavesDocument;
  checkWaves(document, list);
  const problems = [...list.problems, ...problemsOfRollouts(document, positions)];
  return { problems, document: problems.length === 0 ? deepFreeze(document) : undefined };
}

function checkWaves({ waves }: WavesDocument, problems: ProblemList): void {
  const last = waves.length - 1;
  if (waves[last]?.bakeMs !== undefined) {
    problems.report(['waves', last, 'bakeMs'], waves[last].bakeMs, 'none in the last wave, which no other follows');
  }
  const seen = new Set<string>();
  const members = waves.flatMap((wave, at) => wave.members.map((member, index) => ({ member, at, index })));
  const named = new Set(members.flatMap(({ member }) => (member.datacenter === undefined ? [] : member.service)));
  if (members.length > MAX_MEMBERS) {
    problems.report(['waves'], note(`${members.length} members`), `at most ${MAX_MEMBERS} in all`);
  }
  for (const { member, at, index } of members) {
    const name = nameOfMember(member);
    const path: DocumentPath = ['waves', at, 'members', index];
    if (seen.has(name)) problems.report(path, note(`${name}, given twice`), 'each service once in each datacenter');
    seen.add(name);
    // The agent's own datacenter may be one that is named, and another controller has another agent.
    if (member.datacenter === undefined && named.has(member.service)) {
      problems.report(path, note(`${name}, and ${member.service} in named datacenters`), 'datacenter, in each of them');
    }
  }
}

/** What is wrong with many of them alike is told once, of the first. */
function problemsOfRollouts(document: WavesDocument, positions: Positions | undefined): readonly PolicyProblem[] {
  const found = new Map<string, PolicyProblem>();
  for (const [at, { members }] of document.waves.entries()) {
    for (const [index, member] of members.entries()) {
      for (const { path, message } of validateRollout(rolloutOf(document, member)).problems) {
        if (found.has(message)) continue;
        const place = `waves[${at}].members[${index}]`;
        const position = positions?.locate(['waves', at, 'members', index]);
        found.set(message, { path: `${place}.${path}`, message: `${place}: its rollout: ${message}`, ...position });
      }
    }
  }
  return [...found.values()];
}
