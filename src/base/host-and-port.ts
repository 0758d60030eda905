/** `10.0.0.1:80`, `payments.internal:80`, `[fe80::1]:80`. */
export function hostAndPort(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
