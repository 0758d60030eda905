import { testSlips } from './slips';

testSlips({ policies: 63, commands: 137, registrations: 200, harmless: 100, limitMs: 1_800_000 });
