/**
 * `import 'graylane/register'`: makes `consul:` and `static:` targets work in code that cannot be changed, configured
 * by environment variables alone (`CONSUL_HTTP_ADDR`, `CONSUL_HTTP_TOKEN`, `GRAYLANE_OVERRIDE`, ...). Nothing of this
 * library runs in a caller's async context then, so `graylane.with()` and ambient labels have no effect on such
 * clients.
 */
import { createGraylane } from './client/graylane';

createGraylane({ name: 'register' }).register();
