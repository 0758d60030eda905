import { recovery } from './recovery';

recovery([100, 1_500, 10_000]);
