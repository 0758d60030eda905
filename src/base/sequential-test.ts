/**
 * Outcomes of one side: how many calls, and how many of them were bad. A call may count as bad in part, 0 to 1: the
 * likelihood of a share is convex in that part, so what holds for whole outcomes of the same mean holds for these all
 * the more.
 */
export interface Counts {
  readonly calls: number;
  readonly bad: number;
}

/**
 * Which shares of bad calls are thought likely beforehand. Only what evidence costs depends on it, never how often it
 * errs.
 */
interface Prior {
  readonly bad: number;
  readonly good: number;
}

/** About 2 %, most often less: calls that fail. */
const FEW: Prior = { bad: 0.5, good: 20 };
/** Any share alike: calls above a median. */
export const ANY: Prior = { bad: 0.5, good: 0.5 };

/** About twice this share (0..1): calls above a quantile. Of a median, any share. */
export function aboveShare(allowed: number): Prior {
  return { bad: ANY.bad, good: Math.max(ANY.good, ANY.bad / (2 * allowed) - ANY.bad) };
}

/**
 * Evidence, as a natural logarithm, that canary's share of bad calls exceeds that of stable by more than `margin`
 * (0..1).
 *
 * A mixture sequential probability ratio test whose null hypothesis is a set: the likelihood of the figures averaged
 * over the prior, divided by the best that any pair of shares with canary <= stable + margin can do. Under every such
 * pair the quotient is at most a martingale that starts at 1, so by Ville's inequality it ever reaches 1 / rate with a
 * chance of at most `rate`, however often and whenever one looks. For calls that fail independently of each other.
 */
export function evidenceOfExcess(canary: Counts, stable: Counts, margin: number, prior: Prior = FEW): number {
  const isInside = shareOf(canary) <= shareOf(stable) + margin;
  return (
    marginal(canary, prior) +
    marginal(stable, prior) -
    (isInside ? best(canary) + best(stable) : bestAt(canary, stable, margin))
  );
}

/** The other way round: evidence that the excess is less than `margin`. Same guarantee. */
export function evidenceOfNoExcess(canary: Counts, stable: Counts, margin: number): number {
  const isInside = shareOf(canary) >= shareOf(stable) + margin;
  return (
    marginal(canary, FEW) +
    marginal(stable, FEW) -
    (isInside ? best(canary) + best(stable) : bestAt(canary, stable, margin))
  );
}

/** Evidence that the share of bad calls is above `limit` (0..1, exclusive). Same guarantee. */
export function evidenceAbove(counts: Counts, limit: number, prior: Prior = FEW): number {
  const share = Math.min(limit, shareOf(counts));
  return marginal(counts, prior) - likelihood(counts, share);
}

/** Evidence that the share of bad calls is below `limit` (0..1, exclusive). Same guarantee. */
export function evidenceBelow(counts: Counts, limit: number, prior: Prior = FEW): number {
  const share = Math.max(limit, shareOf(counts));
  return marginal(counts, prior) - likelihood(counts, share);
}

/** What evidence must reach so that it errs with a chance of at most `rate`. */
export function evidenceNeeded(rate: number): number {
  return -Math.log(rate);
}

function shareOf({ calls, bad }: Counts): number {
  return calls === 0 ? 0 : bad / calls;
}

function marginal({ calls, bad }: Counts, prior: Prior): number {
  return logBeta(prior.bad + bad, prior.good + calls - bad) - logBeta(prior.bad, prior.good);
}

function best(counts: Counts): number {
  return likelihood(counts, shareOf(counts));
}

function likelihood({ calls, bad }: Counts, share: number): number {
  return times(bad, Math.log(share)) + times(calls - bad, Math.log1p(-share));
}

/** What did not happen needs no chance: 0 x log 0 is 0. */
function times(count: number, logarithm: number): number {
  return count === 0 ? 0 : count * logarithm;
}

/**
 * The best likelihood with canary's share exactly `margin` above that of stable; concave, so a golden section finds it.
 */
function bestAt(canary: Counts, stable: Counts, margin: number): number {
  const at = (share: number): number => likelihood(stable, share) + likelihood(canary, Math.min(1, share + margin));
  const ratio = (Math.sqrt(5) - 1) / 2;
  let low = 0;
  let high = 1 - margin;
  for (let round = 0; round < 80; round += 1) {
    const width = ratio * (high - low);
    if (at(high - width) < at(low + width)) low = high - width;
    else high = low + width;
  }
  return Math.max(at(low), at(high), at((low + high) / 2));
}

/** Natural logarithm of the beta function, for positive arguments; relative error below 1e-10. */
function logBeta(a: number, b: number): number {
  return logGamma(a) + logGamma(b) - logGamma(a + b);
}

/** Stirling's series from 10 on, reached from below by recurrence. */
function logGamma(value: number): number {
  let at = value;
  let below = 0;
  while (at < 10) {
    below += Math.log(at);
    at += 1;
  }
  const square = 1 / (at * at);
  const series = (1 / 12 - square * (1 / 360 - square * (1 / 1260 - square / 1680))) / at;
  return (at - 0.5) * Math.log(at) - at + Math.log(2 * Math.PI) / 2 + series - below;
}
