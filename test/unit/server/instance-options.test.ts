import { expect, it } from 'vitest';
import { findAddress, isInContainer, parseInstanceOptions } from '../../../src/server/instance-options';

const NOMAD = { NOMAD_HOST_PORT_grpc: '50051', NOMAD_HOST_IP_grpc: '10.0.0.7' };
const OTHER = { NOMAD_HOST_PORT_http: '8080', NOMAD_HOST_IP_http: '10.0.0.8' };

it.each<[string, Readonly<Record<string, string>>, string | undefined]>([
  ['nothing', {}, undefined],
  ['what is said', { GRAYLANE_ADDRESS: 'payments', ...NOMAD, POD_IP: '10.1.1.1' }, 'payments'],
  ['Nomad before the pod', { ...OTHER, ...NOMAD, POD_IP: '10.1.1.1' }, '10.0.0.7'],
  ['another label of Nomad', OTHER, undefined],
  ['a port of Nomad without an address', { NOMAD_HOST_PORT_grpc: '50051' }, undefined],
  ['the pod', { POD_IP: '10.1.1.1' }, '10.1.1.1'],
  ['the pod, IPv6', { POD_IP: 'fd00::1' }, 'fd00::1'],
  ['a variable that was not filled in', { POD_IP: '$(POD_IP)', GRAYLANE_ADDRESS: '' }, undefined],
])('an address from %s', (_what, env, expected) => {
  expect(findAddress(50_051, env)?.address).toBe(expected);
  expect(parseInstanceOptions({ name: 'payments', port: 50_051 }, env).address).toBe(expected);
  expect(parseInstanceOptions({ name: 'payments', port: 50_051, address: 'x' }, env).address).toBe('x');
});

it('a bad address from the environment is named by its variable', () => {
  const env = { GRAYLANE_ADDRESS: 'http://payments' };
  expect(() => parseInstanceOptions({ name: 'payments', port: 1 }, env)).toThrow(
    'instance.address (GRAYLANE_ADDRESS): "http://payments" (expected: a host name or IP address)',
  );
});

it.each<[string, Readonly<Record<string, string>>, readonly string[], boolean]>([
  ['a host', {}, [], false],
  ['Kubernetes', { KUBERNETES_SERVICE_HOST: '10.0.0.1' }, [], true],
  ['Docker', {}, ['/.dockerenv'], true],
  ['Podman', {}, ['/run/.containerenv'], true],
])('%s is a container or not', (_what, env, files, expected) => {
  expect(isInContainer(env, (path) => files.includes(path))).toBe(expected);
});
