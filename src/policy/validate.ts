import { isRecord } from '../base/is-record';
import { isLaterVersion, SDK_VERSION } from '../base/sdk-version';
import type { PolicyDocument } from './document';
import { MAX_ROUTES, MAX_SUBSETS } from './limits';
import { ownValue } from './plain-data';
import type { PolicyProblem } from './plan';
import { createProblemList, note, type Positions, type ProblemList } from './problems';
import { copyDocument, isOfLaterFormat } from './validation/copy-document';
import { checkFailover, checkZones, warnOfZonesWithoutEffect } from './validation/locality';
import { warnOfUnreachable } from './validation/reachability';
import { checkReferences, listOf } from './validation/references';
import { checkRoutes, warnOfUnseenStickiness } from './validation/routes';
import { checkStructure } from './validation/structure';
import { checkFilters, warnOfMetaKeys } from './validation/subsets';
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
  /** Worth telling, no reason to refuse. */
  readonly warnings: readonly PolicyProblem[];
}

/** A validation that also hands over what it judged: a plain copy that shares nothing with the caller's object. */
export interface JudgedDocument extends Validation {
  /** Undefined when there are problems. */
  readonly document: PolicyDocument | undefined;
}

/**
 * Finds everything that is wrong with a policy document, whatever it is. Never throws. Structure and meaning are both
 * checked on every document, so that one reading tells all; only a document of a later format, or for a later library,
 * is refused with that one reason, since the rest of it cannot be judged.
 */
export function validatePolicy(value: unknown, options: ValidateOptions): Validation {
  const { problems, warnings } = judgeDocument(value, options);
  return { problems, warnings };
}

export function judgeDocument(value: unknown, options: ValidateOptions): JudgedDocument {
  const problems = createProblemList(options.positions);
  const warnings = createProblemList(options.positions);
  const document = copyDocument(value, 'policy', problems);
  const isReadable =
    document !== undefined && !isOfLaterFormat(document, problems) && !isForLaterSdk(document, problems);
  if (isReadable && !hasTooMany(document, problems)) {
    checkStructure(document, problems);
    checkService(document, options.service, problems);
    checkTombstone(document, problems);
    checkReferences(document, problems);
    checkRoutes(ownValue(document, 'routes'), problems);
    checkTuning(document, problems);
    checkFailover(document, problems);
    checkZones(document, problems);
    checkFilters(ownValue(document, 'subsets'), problems, warnings);
    warnOfUnreachable(ownValue(document, 'routes'), warnings);
    warnOfUnseenStickiness(ownValue(document, 'routes'), warnings);
    warnOfOpenSubsets(ownValue(document, 'subsets'), warnings);
    warnOfZonesWithoutEffect(document, warnings);
    warnOfMetaKeys(ownValue(document, 'subsets'), warnings);
  }
  const sound = problems.problems.length === 0;
  return {
    problems: problems.problems,
    warnings: warnings.problems,
    document: sound ? (document as unknown as PolicyDocument) : undefined,
  };
}

function isForLaterSdk(document: unknown, problems: ProblemList): boolean {
  const minSdk = ownValue(document, 'minSdk');
  if (typeof minSdk !== 'string' || !/^\d{1,9}\.\d{1,9}\.\d{1,9}$/.test(minSdk)) return false;
  if (!isLaterVersion(minSdk, SDK_VERSION)) return false;
  problems.report(['minSdk'], minSdk, `at most ${SDK_VERSION}, which this is; written for a newer version of graylane`);
  return true;
}

/** Where there are more, the rest is not judged: what judging costs grows faster than they do. */
function hasTooMany(document: unknown, problems: ProblemList): boolean {
  const routes = listOf(ownValue(document, 'routes')).length;
  const subsets = ownValue(document, 'subsets');
  const names = isRecord(subsets) ? Object.keys(subsets).length : 0;
  if (routes > MAX_ROUTES) problems.report(['routes'], note(`${routes} entries`), `at most ${MAX_ROUTES}`);
  if (names > MAX_SUBSETS) problems.report(['subsets'], note(`${names} subsets`), `at most ${MAX_SUBSETS}`);
  return routes > MAX_ROUTES || names > MAX_SUBSETS;
}

/** A tombstone that also says something else was most likely not meant as one. */
function checkTombstone(document: unknown, problems: ProblemList): void {
  if (!isRecord(document) || ownValue(document, 'tombstone') !== true) return;
  const others = Object.keys(document).filter((key) => !TOMBSTONE_KEYS.includes(key));
  if (others.length > 0) {
    problems.report(
      ['tombstone'],
      note(`beside ${others.join(', ')}`),
      'alone with schema, service, minSdk and signature',
    );
  }
}

function checkService(document: unknown, expected: string, problems: ProblemList): void {
  const service = ownValue(document, 'service');
  if (typeof service === 'string' && service !== '' && service !== expected) {
    problems.report(['service'], service, `${expected}, whose policy this is read as`);
  }
}

/** Beside other subsets, one that takes every instance is most likely a slip: it includes the canaries. */
function warnOfOpenSubsets(subsets: unknown, warnings: ProblemList): void {
  if (!isRecord(subsets) || Object.keys(subsets).length < 2) return;
  for (const [name, subset] of Object.entries(subsets)) {
    const tags = ownValue(subset, 'tags');
    const meta = ownValue(subset, 'meta');
    const isOpen =
      (!Array.isArray(tags) || tags.length === 0) &&
      (!isRecord(meta) || Object.keys(meta).length === 0) &&
      ownValue(subset, 'port') === undefined &&
      ownValue(subset, 'filter') === undefined;
    if (isOpen) warnings.report(['subsets', name], note('every instance'), 'tags, meta or a filter that tell it apart');
  }
}
