import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promtool } from '../prometheus-process';
import { type Recording, STEP_S, STEPS_WELL, spread } from './recording';

/** An alert that fires, with its severity: `['GraylaneSubsetShed', 'warning']`. */
export type Expected = readonly [alert: string, severity: 'critical' | 'warning' | 'info'];

const WITHIN_S = 120;
const WATCHED_S = 285;

/**
 * Lets promtool judge the rules over a recording: silent while all is well, the expected alerts firing two minutes after the
 * fault and to the end, no other at any time. What promtool says when that is not so; else ''.
 */
export async function judge(
  rules: string,
  recording: Recording,
  expected: readonly Expected[],
  spell: (series: string) => string = (series) => series,
): Promise<string> {
  const faultAtS = (STEPS_WELL - 1) * STEP_S;
  const none = expected.map(([alert]) => alert).join('|') || 'none';
  const others = `count by (alertname, severity) (ALERTS{alertstate="firing",alertname!~"${none}"})`;
  const firing = 'group by (alertname, severity) (ALERTS{alertstate="firing"})';
  const samples = expected.map(([alert, severity]) => ({ labels: labelsOf(alert, severity), value: 1 }));
  const ends = faultAtS + WATCHED_S;
  const checks: object[] = [];
  for (let at = 0; at <= ends; at += STEP_S) {
    checks.push({ expr: others, eval_time: `${at}s`, exp_samples: [] });
    if (at <= faultAtS) checks.push({ expr: firing, eval_time: `${at}s`, exp_samples: [] });
    if (at >= faultAtS + WITHIN_S) checks.push({ expr: firing, eval_time: `${at}s`, exp_samples: samples });
  }
  const input_series = spread(recording).map(({ series, values }) => ({ series: spell(series), values }));
  const test = { interval: `${STEP_S}s`, input_series, promql_expr_test: checks };
  const folder = mkdtempSync(join(tmpdir(), 'graylane-incident-'));
  try {
    const file = join(folder, 'incident.test.yml');
    // YAML takes JSON as it is.
    writeFileSync(file, JSON.stringify({ rule_files: [rules], evaluation_interval: `${STEP_S}s`, tests: [test] }));
    return await promtool('test', 'rules', file);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function labelsOf(alert: string, severity: string): string {
  return `{alertname="${alert}",severity="${severity}"}`;
}
