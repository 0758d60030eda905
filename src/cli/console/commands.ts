import { type CommandDefinition, option } from '../command';
import { AGENT, FLEET_SOURCES, parseHostName, parseListen, repeated } from '../flags';

export const teamConsole: CommandDefinition = {
  name: 'console',
  summary: 'serve the pages on which a team sees and changes its policies',
  description:
    'Serves pages for a browser: all services with their instances, policies, history, rollouts, overrides and drills, and why ' +
    'a call goes where it goes. They change what the commands change, by the same code, each caller with a Consul token of ' +
    'their own. Runs until interrupted. Listens on this machine alone, unless told otherwise.',
  examples: {
    'graylane console': 'http://127.0.0.1:9470, for whoever sits here',
    'graylane console --read-only':
      'nothing can be changed; asks with the token of this command where a caller has none',
    'graylane console --prometheus http://prometheus:9090': 'with charts, and which processes follow a policy',
    'graylane console --url http://orders-1:9465 --url http://orders-2:9465':
      'the same of these processes, without one',
    'graylane console --listen 0.0.0.0:9470 --allow-host console.internal': 'for a team, behind a gateway with TLS',
  },
  options: [
    ...AGENT,
    option('--listen <host:port>', 'where to listen; port 0: any; default: 127.0.0.1:9470', parseListen),
    option(
      '--allow-host <name>',
      'a name under which browsers reach it; may be given several times',
      repeated(parseHostName),
    ),
    option('--read-only', 'refuse every change'),
    ...FLEET_SOURCES,
  ],
  run: async () => (await import('./run-console.js')).runConsole,
};
