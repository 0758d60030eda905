import { revisionOfText, type StoredPolicy } from '../../ops/store/history';
import { documentText, parseStored } from '../../ops/store/policy-text';
import type { DestinationDocument, PolicyDocument } from '../../policy/document';
import { describeDestination } from '../../policy/places/destination';
import { setShare } from '../../policy/set-share';
import { validatePolicy } from '../../policy/validate';
import { CommandError } from '../command';
import { nameOf, ServiceHasNone } from '../consul/store-session';
import { didYouMean } from '../describe';
import type { CommandIo } from '../io';
import { type ApplyFlags, applyText, checkApplyFlags } from '../policy/apply-files';

interface WeightRequest {
  readonly service: string;
  readonly subset: string;
  /** 0 to 100. */
  readonly percent: number;
  readonly route: string | undefined;
}

/** `weight`: the policy in Consul with another split, written as `policy apply` writes it. */
export async function changeWeight(
  service: string,
  subset: string,
  percent: number,
  flags: ApplyFlags & { readonly route?: string },
  io: CommandIo,
): Promise<void> {
  checkApplyFlags(flags);
  const request = { service, subset, percent, route: flags.route };
  const text = (stored: StoredPolicy, all: readonly StoredPolicy[]): string => {
    // The first fault is reported, whichever datacenter has it.
    const texts = all.map((each) => changedText(each, request));
    if (new Set(all.map(({ policy }) => revisionOfText(policy?.text ?? ''))).size > 1) {
      const message = `${service}: the datacenters have different policies, and nothing was written`;
      throw new CommandError(1, message, `name one with --dc, or run graylane policy get ${service} --dc all`);
    }
    return texts[all.indexOf(stored)] ?? '';
  };
  const again = `run graylane policy get ${service}, then graylane weight ${service} ${subset} ${percent} again`;
  await applyText({ service, text, again }, flags, io);
}

function changedText({ policy, service, datacenter }: StoredPolicy, request: WeightRequest): string {
  if (policy === undefined) {
    const message = `${service} has no policy in ${nameOf(datacenter)}`;
    throw new ServiceHasNone(service, datacenter, message, `run graylane init ${service}`);
  }
  const { document, problems } = validatePolicy(parseStored(policy.text), { service });
  if (document === undefined) {
    const fault = problems[0]?.message ?? 'not a document';
    const message = `the policy of ${service} in ${nameOf(datacenter)} is not valid: ${fault}`;
    throw new CommandError(1, message, `run graylane policy edit ${service}`);
  }
  const { subset, route: name } = request;
  const named = (to: DestinationDocument): string => describeDestination(to, document);
  const routed = (document.routes ?? []).flatMap(({ split = [] }) => split.map(({ to }) => named(to)));
  const known = [...new Set([...Object.keys(document.subsets ?? {}), ...routed])];
  if (!known.includes(subset)) {
    const names = known.length === 0 ? 'the policy has no subsets' : known.join(', ');
    const message = `subset: ${subset} (expected: one of the policy's: ${names})`;
    throw new CommandError(2, message, didYouMean(subset, known, `run graylane policy get ${service}`));
  }
  const at = routeAt(document, request);
  const routes = document.routes ?? [];
  const route = routes[at];
  if (route?.split === undefined || !route.split.some(({ to }) => named(to) === subset)) {
    const splits = routes.filter(({ split }) => split?.some(({ to }) => named(to) === subset) === true);
    const names = splits.map((each) => each.name).join(', ');
    const what = name === undefined ? 'no route that matches every call splits' : `route ${name} does not split`;
    const next = names === '' ? `run graylane policy edit ${service}` : `name one that does with --route: ${names}`;
    throw new CommandError(1, `${service}: ${what} to ${subset}`, next);
  }
  const split = setShare(route.split, subset, request.percent, document.default, named);
  return documentText({ ...document, routes: routes.toSpliced(at, 1, { ...route, split }) });
}

/** -1: there is none. The first route that matches every call is the only one that does anything. */
function routeAt({ routes = [] }: PolicyDocument, { service, route: name }: WeightRequest): number {
  if (name === undefined) return routes.findIndex(({ match }) => match === undefined);
  const at = routes.findIndex((route) => route.name === name);
  if (at !== -1) return at;
  const names = routes.map((route) => route.name);
  const message = `--route: ${name} (expected: one of ${service}'s: ${names.join(', ') || 'it has none'})`;
  throw new CommandError(2, message, didYouMean(name, names, `run graylane policy get ${service}`));
}
