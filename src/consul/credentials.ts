/** What a request proves its right with. */
export interface Credentials {
  readonly headers: Readonly<Record<string, string>>;
  /** What must not be repeated of an answer that echoes them. */
  readonly secrets: readonly string[];
}

/** An empty token, and no `user:password`: nothing is sent. */
export function credentialsOf(token: string, httpAuth: string | undefined): Credentials {
  const password = httpAuth?.slice(httpAuth.indexOf(':') + 1) ?? '';
  return {
    headers: {
      ...(token === '' ? {} : { 'x-consul-token': token }),
      ...(httpAuth === undefined ? {} : { authorization: `Basic ${Buffer.from(httpAuth).toString('base64')}` }),
    },
    secrets: [token, httpAuth ?? '', password],
  };
}
