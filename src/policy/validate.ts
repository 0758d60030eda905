import { isRecord } from '../base/is-record';
import { isLaterVersion, SDK_VERSION } from '../base/sdk-version';
import type { PolicyDocument } from './document';
import { MAX_ROUTES, MAX_SUBSETS } from './limits';
import { ownValue } from './plain-data';
import type { PolicyProblem } from './plan';
import { policySchema } from './policy-schema';
import { type DocumentPath, note, type Positions, ProblemList } from './problems';
import { SYNONYMS } from './synonyms';
import type { CheckedPolicy } from './validation/checked';
import { copyDocument, isOfLaterFormat } from './validation/copy-document';
import { checkFaults } from './validation/faults';
import { checkHeaderChanges } from './validation/headers';
import { checkLanes } from './validation/lanes';
import { warnOfUnreachable } from './validation/reachability';
import { checkReferences } from './validation/references';
import { checkRoutes, warnOfUnseenStickiness } from './validation/routes';
import { checkStructure, type StructureRules } from './validation/structure-check';
import { checkSubsets } from './validation/subsets';
import { checkTuning } from './validation/tuning';

const TOMBSTONE_KEYS: readonly string[] = ['schema', 'service', 'minSdk', '$schema', 'tombstone', 'signature'];

export interface ValidateOptions {
  /** Consul service that the policy is for; the document must name the same. */
  readonly service: string;
  /** Where the document's parts stand in its text. */
  readonly positions?: Positions;
}

export interface Validation {
  /** Empty: the document may be compiled. */
  readonly problems: readonly PolicyProblem[];
  /** Worth telling, no reason to refuse. Not told of a part that `problems` name. */
  readonly warnings: readonly PolicyProblem[];
  /** A plain copy that shares nothing with the caller's object; undefined when there are problems. */
  readonly document: PolicyDocument | undefined;
}

/**
 * Finds everything that is wrong with a policy document, whatever it is. Never throws. Structure and meaning are both
 * checked on every document, so that one reading tells all; only a document of a later format, or for a later library,
 * is refused with that one reason, since the rest of it cannot be judged.
 */
export function validatePolicy(value: unknown, options: ValidateOptions): Validation {
  const problems = new ProblemList(options.positions);
  const warnings = new ProblemList(options.positions);
  const document = copyDocument(value, 'policy', problems);
  const isReadable =
    document !== undefined && !isOfLaterFormat(document, problems) && !isForLaterSdk(document, problems);
  if (isReadable && !hasTooMany(document, problems)) {
    for (const path of checkStructure(document, RULES, problems)) forget(document, path);
    const checked = document as CheckedPolicy;
    const { service = '', tombstone } = checked;
    if (service !== '' && service !== options.service) {
      problems.report(['service'], service, `${options.service}, whose policy this is read as`);
    }
    if (tombstone === true) checkTombstone(checked, problems);
    checkReferences(checked, problems);
    checkRoutes(checked, problems);
    checkHeaderChanges(checked, problems);
    checkFaults(checked, problems);
    checkTuning(checked, problems);
    checkSubsets(checked, problems, warnings);
    checkLanes(checked, problems, warnings);
    // What a route that is not sound was meant to take is not known.
    if (!problems.problems.some(({ path }) => isInside(path, 'routes'))) {
      warnOfUnreachable(checked, warnings);
      warnOfUnseenStickiness(checked, warnings);
    }
    // A call of `ring_hash` belongs to the endpoint that owns its label, in whatever zone that is.
    if (checked.locality?.zones === 'prefer' && checked.balancing?.algorithm === 'ring_hash') {
      const another = 'another algorithm than ring_hash, under which a call goes to the owner of its label';
      warnings.report(['locality', 'zones'], 'prefer', `${another} in whatever zone that is`);
    }
  }
  const isSound = problems.problems.length === 0;
  return {
    problems: problems.problems,
    warnings: warnings.problems.filter(
      ({ path }) => !problems.problems.some((problem) => isInside(problem.path, path)),
    ),
    document: isSound ? (document as unknown as PolicyDocument) : undefined,
  };
}

/** What is said of a part that is wrong inside may follow from that. */
function isInside(path: string, part: string): boolean {
  return path.startsWith(part) && /^$|^[.[]/.test(path.slice(part.length));
}

const RULES: StructureRules = {
  schema: policySchema,
  // Asked for at the first unknown key: the table is loaded then (scripts/bundle.mjs).
  get synonyms() {
    return SYNONYMS;
  },
  describe({ keyword, path, value }) {
    if (keyword === 'anyOf' && isOfFault(path))
      return { value: note('neither abort nor delayMs'), expected: 'one of them, or both' };
    if (keyword === 'anyOf') return { value: note('neither to nor datacenter'), expected: 'one of them, or both' };
    if (keyword !== 'oneOf') return undefined;
    const given = ownValue(value, 'to') === undefined ? 'neither to nor split' : 'both to and split';
    return { value: note(given), expected: 'exactly one of them' };
  },
};

function isOfFault(path: DocumentPath): boolean {
  return path[0] === 'faults' || path.at(-1) === 'fault';
}

/** Leaves undefined where a value of a wrong type stood: what is checked next need not ask for types. */
function forget(document: object, path: DocumentPath): void {
  let holder: Record<string | number, unknown> | undefined = document as Record<string | number, unknown>;
  for (const part of path.slice(0, -1)) holder = holder?.[part] as Record<string | number, unknown> | undefined;
  const last = path.at(-1);
  if (holder !== undefined && last !== undefined) holder[last] = undefined;
}

/** A tombstone that also says something else was most likely not meant as one. */
function checkTombstone(document: object, problems: ProblemList): void {
  const others = Object.keys(document).filter((key) => !TOMBSTONE_KEYS.includes(key));
  if (others.length === 0) return;
  const expected = 'alone with schema, service, minSdk and signature';
  problems.report(['tombstone'], note(`beside ${others.join(', ')}`), expected);
}

function isForLaterSdk(document: object, problems: ProblemList): boolean {
  const minSdk = ownValue(document, 'minSdk');
  if (typeof minSdk !== 'string' || !/^\d{1,9}\.\d{1,9}\.\d{1,9}$/.test(minSdk)) return false;
  if (!isLaterVersion(minSdk, SDK_VERSION)) return false;
  problems.report(['minSdk'], minSdk, `at most ${SDK_VERSION}, which this is; written for a newer version of graylane`);
  return true;
}

/** Where there are more, the rest is not judged: what judging costs grows faster than they do. */
function hasTooMany(document: object, problems: ProblemList): boolean {
  const [routes, subsets] = [ownValue(document, 'routes'), ownValue(document, 'subsets')];
  const listed = Array.isArray(routes) ? routes.length : 0;
  const names = isRecord(subsets) ? Object.keys(subsets).length : 0;
  if (listed > MAX_ROUTES) problems.report(['routes'], note(`${listed} entries`), `at most ${MAX_ROUTES}`);
  if (names > MAX_SUBSETS) problems.report(['subsets'], note(`${names} subsets`), `at most ${MAX_SUBSETS}`);
  return listed > MAX_ROUTES || names > MAX_SUBSETS;
}
