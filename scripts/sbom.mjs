// Prints the bill of materials of the package as CycloneDX JSON: what npm installs with it, and the packages whose code
// is bundled into it (dist/THIRD-PARTY-LICENSES.txt; run `npm run build` first).
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const args = ['sbom', '--sbom-format', 'cyclonedx', '--package-lock-only'];
const bill = JSON.parse(execFileSync('npm', args, { cwd: root, encoding: 'utf8', maxBuffer: 2 ** 26 }));

// npm's own `--omit dev` leaves out what a tool of ours needs, too.
const edges = new Map(bill.dependencies.map(({ ref, dependsOn }) => [ref, dependsOn]));
const installed = new Set();
const visit = (ref) => {
  if (installed.has(ref)) return;
  installed.add(ref);
  for (const next of edges.get(ref) ?? []) visit(next);
};
const direct = new Set(Object.keys(manifest.dependencies));
const ofRoot = edges.get(bill.metadata.component['bom-ref']).filter((ref) => direct.has(ref.replace(/@[^@]+$/, '')));
for (const ref of ofRoot) visit(ref);

// npm calls it after the folder that it lies in.
bill.metadata.component.name = manifest.name;
bill.components = bill.components.filter((component) => installed.has(component['bom-ref']));
bill.dependencies = [
  { ref: bill.metadata.component['bom-ref'], dependsOn: ofRoot },
  ...bill.dependencies.filter(({ ref }) => installed.has(ref)),
];

const licences = readFileSync(join(root, 'dist', 'THIRD-PARTY-LICENSES.txt'), 'utf8');
for (const [, name, version, license] of licences.matchAll(/^(\S+) (\d+\.\d+\.\d+\S*) \((.+)\)$/gm)) {
  const ref = `${name}@${version}`;
  if (installed.has(ref)) continue;
  const licenses = [license.includes(' ') ? { expression: license } : { license: { id: license } }];
  const purl = `pkg:npm/${name.replace('@', '%40')}@${version}`;
  const properties = [{ name: 'graylane:bundled', value: 'true' }];
  bill.components.push({ 'bom-ref': ref, type: 'library', name, version, purl, licenses, properties });
}
console.log(JSON.stringify(bill, null, 2));
