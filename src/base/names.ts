/** What Consul takes for the name of a service. https://developer.hashicorp.com/consul/docs/reference/service */
export const SERVICE_NAME: RegExp = /^[A-Za-z0-9](?:[A-Za-z0-9_-]|\.(?!\.)){0,254}$/;

/** Of one of several ports of an instance (Consul 1.22 and later). */
export const PORT_NAME: RegExp = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;

/** A key of an instance's meta. https://developer.hashicorp.com/consul/api-docs/agent/service#meta */
export const META_KEY: RegExp = /^[A-Za-z0-9_-]{1,128}$/;

export const DATACENTER_NAME: RegExp = /^[A-Za-z0-9_-]{1,128}$/;

/** Of a cluster peer. */
export const PEER_NAME: RegExp = /^[A-Za-z0-9](?:[A-Za-z0-9-]{0,62}[A-Za-z0-9])?$/;
