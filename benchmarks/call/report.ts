import { barChart } from '../bar-chart';
import type { Profile, Share } from '../peers/profile';
import type { Spread } from '../sample';
import { VARIANTS } from '../variants';
import type { CallLine, Comparison } from './compare';

const titleOf = (variant: string): string => VARIANTS[variant]?.title ?? variant;

export function formatLine({ variant, cpuUs, cpuMoreUs, cpuBy, p50Us, p50By, p99Us }: CallLine): string {
  const times = ({ median, low, high }: Spread): string =>
    `${median.toFixed(3)} x [${low.toFixed(2)} .. ${high.toFixed(2)}]`.padEnd(24);
  return (
    `  ${titleOf(variant).padEnd(30)}${cpuUs.median.toFixed(1).padStart(7)} us ${signed(cpuMoreUs.median).padStart(7)}  ${times(cpuBy)}` +
    `p50 ${p50Us.median.toFixed(0).padStart(6)} us  ${times(p50By)}p99 ${p99Us.median.toFixed(0).padStart(6)} us`
  );
}

export function formatComparison({ what, by, moreUs, most }: Comparison): string {
  const [low, high] = by.surely;
  return (
    `  ${by.median <= most ? 'met   ' : 'missed'} ${what}: ${by.median.toFixed(3)} x (bar: <= ${most}; 95 %: ${low.toFixed(3)} .. ${high.toFixed(3)}), ` +
    `${signed(moreUs.median)} us`
  );
}

export interface ProfileLine {
  readonly scenario: string;
  readonly variant: string;
  readonly profile: Profile;
}

export function formatProfile({ variant, profile: { byOrigin, own } }: ProfileLine): string {
  const total = byOrigin.reduce((sum, { us }) => sum + us, 0);
  const list = (shares: readonly Share[], least: number): string =>
    shares
      .map(({ name, us }) => ({ name, percent: (100 * us) / total }))
      .filter(({ percent }) => percent >= least)
      .map(({ name, percent }) => `${name} ${percent.toFixed(1)} %`)
      .join(', ');
  const ours = own.length === 0 ? '' : `\n${' '.repeat(34)}of it ${list(own, 0.1)}`;
  return `  ${titleOf(variant).padEnd(30)}  ${list(byOrigin, 0.5)}${ours}`;
}

/** Processor time of a call by variant, scenario after scenario. */
export function chartOf(lines: readonly CallLine[]): string {
  const scenarios = [...new Set(lines.map(({ scenario }) => scenario))];
  return barChart(
    'Processor time of the client per call, microseconds',
    scenarios.map((title) => ({
      title,
      decimals: 0,
      bars: lines
        .filter(({ scenario }) => scenario === title)
        .map(({ variant, cpuUs }) => ({
          name: titleOf(variant),
          parts: [cpuUs.median],
          isOurs: isOurs(variant),
        })),
    })),
  );
}

/** The cumulative titles begin with dots. */
function isOurs(variant: string): boolean {
  return /^(graylane|\.\.\.)/.test(titleOf(variant));
}

function signed(value: number): string {
  return `${value < 0 ? '-' : '+'}${Math.abs(value).toFixed(1)}`;
}
