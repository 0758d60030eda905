import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse as parseYaml } from 'yaml';
import { parseDocumentText } from '../../../src/policy/parse-text';
import { validatePolicy } from '../../../src/policy/validate';
import { type Fence, fencesOf, root } from '../docs/fences';

const PAGES = readdirSync(join(root, 'docs', 'deploy')).map((name) => `docs/deploy/${name}`);

function fence(page: string, language: string, at = 0): Fence {
  const found = fencesOf(`docs/deploy/${page}`).filter((one) => one.language === language)[at];
  if (found === undefined) throw new Error(`${page}: no ${language}`);
  return found;
}

/** Seconds of `20`, `20s`. */
const seconds = (text: unknown): number => Number.parseFloat(String(text));
/** `settleMs` and `graceMs` by default. */
const LEAVING_S = 12;

describe('pages on deploying', () => {
  it.each(PAGES)('%s holds a file', (page) => {
    expect(fencesOf(page).length).toBeGreaterThan(0);
  });

  it('Nomad: the block structure holds, and the policy names the tags of the job', () => {
    const { text } = fence('nomad.md', 'hcl');
    let depth = 0;
    for (const line of text.split('\n')) {
      // A line is a block's beginning or end, an attribute, or a block of one line.
      expect(line).toMatch(
        /^\s*(|\}|[\w-]+( "[\w-]+")* \{\}?|[\w-]+\s+= (\d+|true|false|"[^"]*"|\["[^"]*"(, "[^"]*")*\]))$/,
      );
      depth += (line.endsWith('{') ? 1 : 0) - (line.trim() === '}' ? 1 : 0);
      expect(depth).toBeGreaterThanOrEqual(0);
    }
    expect(depth).toBe(0);
    const { value, problems } = parseDocumentText(fence('nomad.md', 'yaml').text, 'yaml');
    expect(problems).toEqual([]);
    expect(validatePolicy(value, { service: 'payments' })).toMatchObject({ problems: [], warnings: [] });
    const { subsets } = value as { subsets: Record<string, { tags: readonly string[] }> };
    expect(text).toContain(`canary_tags  = ${JSON.stringify(subsets['canary']?.tags)}`);
    expect(text).toContain(`tags         = ${JSON.stringify(subsets['stable']?.tags)}`);
  });

  it('Kubernetes: the agent of the node, the address of the pod, and time to leave', () => {
    const { spec } = parseYaml(fence('kubernetes.md', 'yaml').text).spec.template;
    const [container] = spec.containers;
    const env = Object.fromEntries(
      container.env.map((one: { name: string; value?: string; valueFrom?: { fieldRef: { fieldPath: string } } }) => [
        one.name,
        one.value ?? one.valueFrom?.fieldRef.fieldPath,
      ]),
    );
    expect(env).toMatchObject({ HOST_IP: 'status.hostIP', POD_IP: 'status.podIP' });
    expect(env.CONSUL_HTTP_ADDR).toContain('$(HOST_IP)');
    expect(spec.terminationGracePeriodSeconds).toBeGreaterThan(LEAVING_S);
    const mounts: string[] = container.volumeMounts.map(({ name }: { name: string }) => name);
    expect(spec.volumes.map(({ name }: { name: string }) => name)).toEqual(mounts);
    expect(env.CONSUL_HTTP_TOKEN_FILE.startsWith(`${container.volumeMounts[0].mountPath}/`)).toBe(true);
  });

  it('Compose: services that name what is there, and time to leave', () => {
    const { services, volumes } = parseYaml(fence('compose.md', 'yaml').text);
    for (const name of ['payments', 'orders']) {
      expect(services[name].environment.CONSUL_HTTP_ADDR).toBe('http://consul:8500');
    }
    expect(services.payments.environment.GRAYLANE_ADDRESS).toBe('payments');
    expect(seconds(services.payments.stop_grace_period)).toBeGreaterThan(LEAVING_S);
    expect(services.orders.volumes).toEqual([`${Object.keys(volumes)[0]}:/state`]);
  });

  it('systemd: sections and keys, and time to leave', () => {
    const lines = fence('systemd.md', 'ini')
      .text.split('\n')
      .filter((line) => line !== '');
    for (const line of lines) expect(line).toMatch(/^(\[(Unit|Service|Install)\]|[A-Z]\w+=\S.*)$/);
    const timeout = lines.find((line) => line.startsWith('TimeoutStopSec='))?.split('=')[1];
    expect(seconds(timeout)).toBeGreaterThan(LEAVING_S);
  });

  it('PM2: cluster mode, and time to leave', () => {
    const [app] = JSON.parse(fence('pm2.md', 'json').text).apps;
    expect(app).toMatchObject({ exec_mode: 'cluster', wait_ready: true });
    expect(app.kill_timeout).toBeGreaterThan(LEAVING_S * 1000);
  });
});
