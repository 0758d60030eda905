/** Natural logarithm of the beta function, for positive arguments; relative error below 1e-10. */
export function logBeta(a: number, b: number): number {
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
